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
;;    10  sub dword ptr [r15+0x68], 0x70
;;    15  js 0x20
;;    1b  lea eax, [rsi+rdx]
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
;;    4d  sub dword ptr [r11], 0xc000
;;    54  jns 0x1b
;;    5a  call qword ptr [r15+0x110]
;;    61  jmp 0x1b
;; function 1 add_constant
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  sub dword ptr [r15+0x68], 0x70
;;    11  js 0x1d
;;    17  lea rax, [rsi+0x64]
;;    1b  leave
;;    1c  ret
;;    1d  mov r11d, [r15+0x6c]
;;    21  imul r11d, 0x19660d
;;    28  add r11d, 0x3c6ef35f
;;    2f  mov [r15+0x6c], r11d
;;    33  shr r11d, 0x11
;;    37  add r11d, 0x8000
;;    3e  add [r15+0x68], r11d
;;    42  mov r11, [rbp-8]
;;    46  mov r11, [r11+0x10]
;;    4a  sub dword ptr [r11+4], 0xc000
;;    52  jns 0x17
;;    58  call qword ptr [r15+0x110]
;;    5f  jmp 0x17
;; function 2 subtract_from_constant
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  sub dword ptr [r15+0x68], 0x70
;;    13  js 0x28
;;    19  mov eax, 9
;;    1e  mov rcx, rax
;;    21  sub ecx, esi
;;    23  mov rax, rcx
;;    26  leave
;;    27  ret
;;    28  mov r11d, [r15+0x6c]
;;    2c  imul r11d, 0x19660d
;;    33  add r11d, 0x3c6ef35f
;;    3a  mov [r15+0x6c], r11d
;;    3e  shr r11d, 0x11
;;    42  add r11d, 0x8000
;;    49  add [r15+0x68], r11d
;;    4d  mov r11, [rbp-8]
;;    51  mov r11, [r11+0x10]
;;    55  sub dword ptr [r11+8], 0xc000
;;    5d  jns 0x19
;;    63  call qword ptr [r15+0x110]
;;    6a  jmp 0x19
;; function 3 shift
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  mov edx, edx
;;    10  sub dword ptr [r15+0x68], 0x70
;;    15  js 0x22
;;    1b  shlx eax, esi, edx
;;    20  leave
;;    21  ret
;;    22  mov r11d, [r15+0x6c]
;;    26  imul r11d, 0x19660d
;;    2d  add r11d, 0x3c6ef35f
;;    34  mov [r15+0x6c], r11d
;;    38  shr r11d, 0x11
;;    3c  add r11d, 0x8000
;;    43  add [r15+0x68], r11d
;;    47  mov r11, [rbp-8]
;;    4b  mov r11, [r11+0x10]
;;    4f  sub dword ptr [r11+0xc], 0xc000
;;    57  jns 0x1b
;;    5d  call qword ptr [r15+0x110]
;;    64  jmp 0x1b
;; function 4 divide
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  mov edx, edx
;;    10  sub dword ptr [r15+0x68], 0x70
;;    15  js 0x2f
;;    1b  mov rcx, rdx
;;    1e  mov rax, rsi
;;    21  test ecx, ecx
;;    23  je 0x76
;;    29  cdq
;;    2a  idiv ecx ; integer overflow
;;    2d  leave
;;    2e  ret
;;    2f  mov r11d, [r15+0x6c]
;;    33  imul r11d, 0x19660d
;;    3a  add r11d, 0x3c6ef35f
;;    41  mov [r15+0x6c], r11d
;;    45  shr r11d, 0x11
;;    49  add r11d, 0x8000
;;    50  add [r15+0x68], r11d
;;    54  mov r11, [rbp-8]
;;    58  mov r11, [r11+0x10]
;;    5c  sub dword ptr [r11+0x10], 0xc000
;;    64  jns 0x1b
;;    6a  call qword ptr [r15+0x110]
;;    71  jmp 0x1b
;;    76  ud2 ; integer divide by zero
;; function 5 folded
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x30
;;     8  mov [rbp-8], rdi
;;     c  sub dword ptr [r15+0x68], 0x70
;;    11  js 0x1e
;;    17  mov eax, 0x2a
;;    1c  leave
;;    1d  ret
;;    1e  mov r11d, [r15+0x6c]
;;    22  imul r11d, 0x19660d
;;    29  add r11d, 0x3c6ef35f
;;    30  mov [r15+0x6c], r11d
;;    34  shr r11d, 0x11
;;    38  add r11d, 0x8000
;;    3f  add [r15+0x68], r11d
;;    43  mov r11, [rbp-8]
;;    47  mov r11, [r11+0x10]
;;    4b  sub dword ptr [r11+0x14], 0xc000
;;    53  jns 0x17
;;    59  call qword ptr [r15+0x110]
;;    60  jmp 0x17
