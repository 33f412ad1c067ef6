;; Direct calls go through the entry slot, indirect ones check the type.
(module
  (import "m" "f" (func $import (param i32)))
  (type $t (func (param i32) (result i32)))
  (table 4 funcref)
  (func $callee (param i32) (result i32) (local.get 0))
  (func $direct (param i32) (result i32)
    (i32.add (call $callee (local.get 0)) (local.get 0)))
  (func $imported (param i32) (call $import (local.get 0)))
  (func $indirect (param i32) (result i32)
    (call_indirect (type $t) (local.get 0) (i32.const 2)))
  (func $tail (param i32) (result i32) (return_call $callee (local.get 0))))
;; function 1 callee
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  sub dword ptr [r15+0x68], 0x40
;;    16  js 0x21
;;    1c  mov rax, rsi
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
;;    4e  sub dword ptr [r11], 0xc000
;;    55  jns 0x1c
;;    5b  call qword ptr [r15+0x110]
;;    62  jmp 0x1c
;; function 2 direct
;;     0  cmp rsp, [r15]
;;     3  jb 0x3b
;;     9  push rbp
;;     a  mov rbp, rsp
;;     d  sub rsp, 0x40
;;    11  mov [rbp-8], rdi
;;    15  mov esi, esi
;;    17  sub dword ptr [r15+0x68], 0x50
;;    1f  js 0x4d
;;    25  mov [rbp-0x38], esi
;;    28  mov rdi, [rbp-8]
;;    2c  call qword ptr [slot]
;;    32  mov eax, eax
;;    34  mov ecx, [rbp-0x38]
;;    37  add eax, ecx
;;    39  leave
;;    3a  ret
;;    3b  push rbp
;;    3c  mov rbp, rsp
;;    3f  call qword ptr [r15+0x100]
;;    46  pop rbp
;;    48  jmp 9
;;    4d  mov r11d, [r15+0x6c]
;;    51  imul r11d, 0x19660d
;;    58  add r11d, 0x3c6ef35f
;;    5f  mov [r15+0x6c], r11d
;;    63  shr r11d, 0x11
;;    67  add r11d, 0x8000
;;    6e  add [r15+0x68], r11d
;;    72  mov r11, [rbp-8]
;;    76  mov r11, [r11+0x10]
;;    7a  sub dword ptr [r11+4], 0xc000
;;    82  jns 0x25
;;    88  call qword ptr [r15+0x110]
;;    8f  jmp 0x25
;; function 3 imported
;;     0  cmp rsp, [r15]
;;     3  jb 0x3a
;;     9  push rbp
;;     a  mov rbp, rsp
;;     d  sub rsp, 0x40
;;    11  mov [rbp-8], rdi
;;    15  mov esi, esi
;;    17  sub dword ptr [r15+0x68], 0x50
;;    1f  js 0x4c
;;    25  mov [rbp-0x38], esi
;;    28  mov r11, [rbp-8]
;;    2c  mov [r15+0x38], r11
;;    30  mov rdi, [r11+0x50]
;;    34  call qword ptr [r11+0x48]
;;    38  leave
;;    39  ret
;;    3a  push rbp
;;    3b  mov rbp, rsp
;;    3e  call qword ptr [r15+0x100]
;;    45  pop rbp
;;    47  jmp 9
;;    4c  mov r11d, [r15+0x6c]
;;    50  imul r11d, 0x19660d
;;    57  add r11d, 0x3c6ef35f
;;    5e  mov [r15+0x6c], r11d
;;    62  shr r11d, 0x11
;;    66  add r11d, 0x8000
;;    6d  add [r15+0x68], r11d
;;    71  mov r11, [rbp-8]
;;    75  mov r11, [r11+0x10]
;;    79  sub dword ptr [r11+8], 0xc000
;;    81  jns 0x25
;;    87  call qword ptr [r15+0x110]
;;    8e  jmp 0x25
;; function 4 indirect
;;     0  cmp rsp, [r15]
;;     3  jb 0x9d
;;     9  push rbp
;;     a  mov rbp, rsp
;;     d  sub rsp, 0x40
;;    11  mov [rbp-8], rdi
;;    15  mov esi, esi
;;    17  sub dword ptr [r15+0x68], 0xb0
;;    1f  js 0xaf
;;    25  mov eax, 2
;;    2a  mov rcx, [rdi+0x40]
;;    2e  mov rdx, rax
;;    31  cmp rdx, [rcx+8]
;;    35  jae 0x110
;;    3b  mov r11d, 0
;;    41  cmovae rdx, r11
;;    45  mov rcx, [rcx]
;;    48  lea rdx, [rcx+rdx*8]
;;    4d  mov r10, [rdx]
;;    50  mov r11, [rdi+0x18]
;;    54  mov r11d, [r11]
;;    57  cmp r11d, [r10+0x10] ; uninitialized element
;;    5b  jne 0x112
;;    61  mov rax, r10
;;    64  mov r11, [rbp-8]
;;    68  sub eax, r11d
;;    6b  mov r11, [r11+0x10]
;;    6f  cmp eax, [r11+0x80]
;;    76  jne 0xf6
;;    7c  sub dword ptr [r11+0x84], 0xffffffff
;;    87  mov [rbp-0x38], esi
;;    8a  mov r11, [rbp-8]
;;    8e  mov [r15+0x38], r11
;;    92  mov rdi, [r10+8]
;;    96  call qword ptr [r10]
;;    99  mov eax, eax
;;    9b  leave
;;    9c  ret
;;    9d  push rbp
;;    9e  mov rbp, rsp
;;    a1  call qword ptr [r15+0x100]
;;    a8  pop rbp
;;    aa  jmp 9
;;    af  mov r11d, [r15+0x6c]
;;    b3  imul r11d, 0x19660d
;;    ba  add r11d, 0x3c6ef35f
;;    c1  mov [r15+0x6c], r11d
;;    c5  shr r11d, 0x11
;;    c9  add r11d, 0x8000
;;    d0  add [r15+0x68], r11d
;;    d4  mov r11, [rbp-8]
;;    d8  mov r11, [r11+0x10]
;;    dc  sub dword ptr [r11+0xc], 0xc000
;;    e4  jns 0x25
;;    ea  call qword ptr [r15+0x110]
;;    f1  jmp 0x25
;;    f6  lea r11, [r11+0x80]
;;    fd  mov [r15+0x1e0], eax
;;   104  call qword ptr [r15+0x188]
;;   10b  jmp 0x87
;;   110  ud2 ; undefined element
;;   112  ud2 ; indirect call type mismatch
;; function 5 tail
;;     0  cmp rsp, [r15]
;;     3  jb 0x38
;;     9  push rbp
;;     a  mov rbp, rsp
;;     d  sub rsp, 0x40
;;    11  mov [rbp-8], rdi
;;    15  mov esi, esi
;;    17  sub dword ptr [r15+0x68], 0x50
;;    1f  js 0x4a
;;    25  mov [rbp-0x38], esi
;;    28  mov rdi, [rbp-8]
;;    2c  jmp 0x31
;;    31  leave
;;    32  jmp qword ptr [slot]
;;    38  push rbp
;;    39  mov rbp, rsp
;;    3c  call qword ptr [r15+0x100]
;;    43  pop rbp
;;    45  jmp 9
;;    4a  mov r11d, [r15+0x6c]
;;    4e  imul r11d, 0x19660d
;;    55  add r11d, 0x3c6ef35f
;;    5c  mov [r15+0x6c], r11d
;;    60  shr r11d, 0x11
;;    64  add r11d, 0x8000
;;    6b  add [r15+0x68], r11d
;;    6f  mov r11, [rbp-8]
;;    73  mov r11, [r11+0x10]
;;    77  sub dword ptr [r11+0x10], 0xc000
;;    7f  jns 0x25
;;    85  call qword ptr [r15+0x110]
;;    8c  jmp 0x25
