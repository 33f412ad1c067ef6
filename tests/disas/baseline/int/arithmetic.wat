;; Two operands in locals, one constant, and a constant on the left.
(module
  (func $add (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func $add_constant (param i64) (result i64) (i64.add (local.get 0) (i64.const 100)))
  (func $subtract_from_constant (param i32) (result i32) (i32.sub (i32.const 9) (local.get 0)))
  (func $shift (param i32 i32) (result i32) (i32.shl (local.get 0) (local.get 1)))
  (func $divide (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
  (func $folded (result i32) (i32.mul (i32.const 6) (i32.const 7))))
;; function 0 add
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  mov edx, edx
;;    10  mov r11, [rdi+0x10]
;;    14  sub dword ptr [r11], 8
;;    1b  js 0x26
;;    21  lea eax, [rsi+rdx]
;;    24  leave
;;    25  ret
;;    26  call qword ptr [r15+0x108]
;;    2d  jmp 0x21
;; function 1 add_constant
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov r11, [rdi+0x10]
;;    10  sub dword ptr [r11+4], 8
;;    18  js 0x24
;;    1e  lea rax, [rsi+0x64]
;;    22  leave
;;    23  ret
;;    24  call qword ptr [r15+0x108]
;;    2b  jmp 0x1e
;; function 2 subtract_from_constant
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  mov r11, [rdi+0x10]
;;    12  sub dword ptr [r11+8], 8
;;    1a  js 0x2f
;;    20  mov eax, 9
;;    25  mov rcx, rax
;;    28  sub ecx, esi
;;    2a  mov rax, rcx
;;    2d  leave
;;    2e  ret
;;    2f  call qword ptr [r15+0x108]
;;    36  jmp 0x20
;; function 3 shift
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  mov edx, edx
;;    10  mov r11, [rdi+0x10]
;;    14  sub dword ptr [r11+0xc], 8
;;    1c  js 0x29
;;    22  shlx eax, esi, edx
;;    27  leave
;;    28  ret
;;    29  call qword ptr [r15+0x108]
;;    30  jmp 0x22
;; function 4 divide
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  mov edx, edx
;;    10  mov r11, [rdi+0x10]
;;    14  sub dword ptr [r11+0x10], 8
;;    1c  js 0x36
;;    22  mov rcx, rdx
;;    25  mov rax, rsi
;;    28  test ecx, ecx
;;    2a  je 0x42
;;    30  cdq
;;    31  idiv ecx ; integer overflow
;;    34  leave
;;    35  ret
;;    36  call qword ptr [r15+0x108]
;;    3d  jmp 0x22
;;    42  ud2 ; integer divide by zero
;; function 5 folded
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x30
;;     8  mov [rbp-8], rdi
;;     c  mov r11, [rdi+0x10]
;;    10  sub dword ptr [r11+0x14], 8
;;    18  js 0x25
;;    1e  mov eax, 0x2a
;;    23  leave
;;    24  ret
;;    25  call qword ptr [r15+0x108]
;;    2c  jmp 0x1e
