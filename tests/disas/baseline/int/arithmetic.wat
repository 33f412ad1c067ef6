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
;;     f  mov edx, edx
;;    12  mov r11, [rdi+0x10]
;;    17  sub dword ptr [r11], 8
;;    20  js 0x2d
;;    26  lea eax, [rsi+rdx]
;;    2b  leave
;;    2c  ret
;;    2d  call qword ptr [r15+0x100]
;;    35  jmp 0x26
;; function 1 add_constant
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov r11, [rdi+0x10]
;;    11  sub dword ptr [r11+4], 8
;;    1a  js 0x27
;;    20  lea rax, [rsi+0x64]
;;    25  leave
;;    26  ret
;;    27  call qword ptr [r15+0x100]
;;    2f  jmp 0x20
;; function 2 subtract_from_constant
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     f  mov r11, [rdi+0x10]
;;    14  sub dword ptr [r11+8], 8
;;    1d  js 0x34
;;    23  mov eax, 9
;;    29  mov rcx, rax
;;    2c  sub ecx, esi
;;    2f  mov rax, rcx
;;    32  leave
;;    33  ret
;;    34  call qword ptr [r15+0x100]
;;    3c  jmp 0x23
;; function 3 shift
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     f  mov edx, edx
;;    12  mov r11, [rdi+0x10]
;;    17  sub dword ptr [r11+0xc], 8
;;    20  js 0x2d
;;    26  shlx eax, esi, edx
;;    2b  leave
;;    2c  ret
;;    2d  call qword ptr [r15+0x100]
;;    35  jmp 0x26
;; function 4 divide
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     f  mov edx, edx
;;    12  mov r11, [rdi+0x10]
;;    17  sub dword ptr [r11+0x10], 8
;;    20  js 0x3b
;;    26  mov rcx, rdx
;;    29  mov rax, rsi
;;    2c  test ecx, ecx
;;    2f  je 0x48
;;    35  cdq
;;    36  idiv ecx ; integer overflow
;;    39  leave
;;    3a  ret
;;    3b  call qword ptr [r15+0x100]
;;    43  jmp 0x26
;;    48  ud2 ; integer divide by zero
;; function 5 folded
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x30
;;     8  mov [rbp-8], rdi
;;     c  mov r11, [rdi+0x10]
;;    11  sub dword ptr [r11+0x14], 8
;;    1a  js 0x28
;;    20  mov eax, 0x2a
;;    26  leave
;;    27  ret
;;    28  call qword ptr [r15+0x100]
;;    30  jmp 0x20
