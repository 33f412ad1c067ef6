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
;;    10  sub dword ptr [r15+0x68], 0x40
;;    18  js 0x23
;;    1e  lea eax, [rsi+rdx]
;;    21  leave
;;    22  ret
;;    23  mov r11d, 0
;;    29  call qword ptr [r15+0x190]
;;    30  jmp 0x1e
;; function 1 add_constant
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  sub dword ptr [r15+0x68], 0x40
;;    14  js 0x20
;;    1a  lea rax, [rsi+0x64]
;;    1e  leave
;;    1f  ret
;;    20  mov r11d, 4
;;    26  call qword ptr [r15+0x190]
;;    2d  jmp 0x1a
;; function 2 subtract_from_constant
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  sub dword ptr [r15+0x68], 0x50
;;    16  js 0x2b
;;    1c  mov eax, 9
;;    21  mov rcx, rax
;;    24  sub ecx, esi
;;    26  mov rax, rcx
;;    29  leave
;;    2a  ret
;;    2b  mov r11d, 8
;;    31  call qword ptr [r15+0x190]
;;    38  jmp 0x1c
;; function 3 shift
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  mov edx, edx
;;    10  sub dword ptr [r15+0x68], 0x40
;;    18  js 0x25
;;    1e  shlx eax, esi, edx
;;    23  leave
;;    24  ret
;;    25  mov r11d, 0xc
;;    2b  call qword ptr [r15+0x190]
;;    32  jmp 0x1e
;; function 4 divide
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  mov edx, edx
;;    10  sub dword ptr [r15+0x68], 0x50
;;    18  js 0x32
;;    1e  mov rcx, rdx
;;    21  mov rax, rsi
;;    24  test ecx, ecx
;;    26  je 0x44
;;    2c  cdq
;;    2d  idiv ecx ; integer overflow
;;    30  leave
;;    31  ret
;;    32  mov r11d, 0x10
;;    38  call qword ptr [r15+0x190]
;;    3f  jmp 0x1e
;;    44  ud2 ; integer divide by zero
;; function 5 folded
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x30
;;     8  mov [rbp-8], rdi
;;     c  sub dword ptr [r15+0x68], 0x40
;;    14  js 0x21
;;    1a  mov eax, 0x2a
;;    1f  leave
;;    20  ret
;;    21  mov r11d, 0x14
;;    27  call qword ptr [r15+0x190]
;;    2e  jmp 0x1a
