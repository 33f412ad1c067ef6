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
;;    23  mov r11d, [r15+0x6c]
;;    27  imul r11d, 0x19660d
;;    2e  add r11d, 0x3c6ef35f
;;    35  mov [r15+0x6c], r11d
;;    39  shr r11d, 0x11
;;    3d  add r11d, 0x8000
;;    44  add [r15+0x68], r11d
;;    48  mov r11, [rbp-8]
;;    4c  mov r11, [r11+0x10]
;;    50  sub dword ptr [r11], 0xc000
;;    57  jns 0x1e
;;    5d  call qword ptr [r15+0x110]
;;    64  jmp 0x1e
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
;;    20  mov r11d, [r15+0x6c]
;;    24  imul r11d, 0x19660d
;;    2b  add r11d, 0x3c6ef35f
;;    32  mov [r15+0x6c], r11d
;;    36  shr r11d, 0x11
;;    3a  add r11d, 0x8000
;;    41  add [r15+0x68], r11d
;;    45  mov r11, [rbp-8]
;;    49  mov r11, [r11+0x10]
;;    4d  sub dword ptr [r11+4], 0xc000
;;    55  jns 0x1a
;;    5b  call qword ptr [r15+0x110]
;;    62  jmp 0x1a
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
;;    2b  mov r11d, [r15+0x6c]
;;    2f  imul r11d, 0x19660d
;;    36  add r11d, 0x3c6ef35f
;;    3d  mov [r15+0x6c], r11d
;;    41  shr r11d, 0x11
;;    45  add r11d, 0x8000
;;    4c  add [r15+0x68], r11d
;;    50  mov r11, [rbp-8]
;;    54  mov r11, [r11+0x10]
;;    58  sub dword ptr [r11+8], 0xc000
;;    60  jns 0x1c
;;    66  call qword ptr [r15+0x110]
;;    6d  jmp 0x1c
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
;;    25  mov r11d, [r15+0x6c]
;;    29  imul r11d, 0x19660d
;;    30  add r11d, 0x3c6ef35f
;;    37  mov [r15+0x6c], r11d
;;    3b  shr r11d, 0x11
;;    3f  add r11d, 0x8000
;;    46  add [r15+0x68], r11d
;;    4a  mov r11, [rbp-8]
;;    4e  mov r11, [r11+0x10]
;;    52  sub dword ptr [r11+0xc], 0xc000
;;    5a  jns 0x1e
;;    60  call qword ptr [r15+0x110]
;;    67  jmp 0x1e
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
;;    26  je 0x79
;;    2c  cdq
;;    2d  idiv ecx ; integer overflow
;;    30  leave
;;    31  ret
;;    32  mov r11d, [r15+0x6c]
;;    36  imul r11d, 0x19660d
;;    3d  add r11d, 0x3c6ef35f
;;    44  mov [r15+0x6c], r11d
;;    48  shr r11d, 0x11
;;    4c  add r11d, 0x8000
;;    53  add [r15+0x68], r11d
;;    57  mov r11, [rbp-8]
;;    5b  mov r11, [r11+0x10]
;;    5f  sub dword ptr [r11+0x10], 0xc000
;;    67  jns 0x1e
;;    6d  call qword ptr [r15+0x110]
;;    74  jmp 0x1e
;;    79  ud2 ; integer divide by zero
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
;;    21  mov r11d, [r15+0x6c]
;;    25  imul r11d, 0x19660d
;;    2c  add r11d, 0x3c6ef35f
;;    33  mov [r15+0x6c], r11d
;;    37  shr r11d, 0x11
;;    3b  add r11d, 0x8000
;;    42  add [r15+0x68], r11d
;;    46  mov r11, [rbp-8]
;;    4a  mov r11, [r11+0x10]
;;    4e  sub dword ptr [r11+0x14], 0xc000
;;    56  jns 0x1a
;;    5c  call qword ptr [r15+0x110]
;;    63  jmp 0x1a
