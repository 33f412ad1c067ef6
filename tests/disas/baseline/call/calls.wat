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
;;     e  sub dword ptr [r15+0x68], 0x70
;;    13  js 0x1e
;;    19  mov rax, rsi
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
;;    4b  sub dword ptr [r11], 0xc000
;;    52  jns 0x19
;;    58  call qword ptr [r15+0x110]
;;    5f  jmp 0x19
;; function 2 direct
;;     0  cmp rsp, [r15]
;;     3  jb 0x38
;;     9  push rbp
;;     a  mov rbp, rsp
;;     d  sub rsp, 0x40
;;    11  mov [rbp-8], rdi
;;    15  mov esi, esi
;;    17  sub dword ptr [r15+0x68], 0x70
;;    1c  js 0x4a
;;    22  mov [rbp-0x38], esi
;;    25  mov rdi, [rbp-8]
;;    29  call qword ptr [slot]
;;    2f  mov eax, eax
;;    31  mov ecx, [rbp-0x38]
;;    34  add eax, ecx
;;    36  leave
;;    37  ret
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
;;    77  sub dword ptr [r11+4], 0xc000
;;    7f  jns 0x22
;;    85  call qword ptr [r15+0x110]
;;    8c  jmp 0x22
;; function 3 imported
;;     0  cmp rsp, [r15]
;;     3  jb 0x37
;;     9  push rbp
;;     a  mov rbp, rsp
;;     d  sub rsp, 0x40
;;    11  mov [rbp-8], rdi
;;    15  mov esi, esi
;;    17  sub dword ptr [r15+0x68], 0x70
;;    1c  js 0x49
;;    22  mov [rbp-0x38], esi
;;    25  mov r11, [rbp-8]
;;    29  mov [r15+0x38], r11
;;    2d  mov rdi, [r11+0x50]
;;    31  call qword ptr [r11+0x48]
;;    35  leave
;;    36  ret
;;    37  push rbp
;;    38  mov rbp, rsp
;;    3b  call qword ptr [r15+0x100]
;;    42  pop rbp
;;    44  jmp 9
;;    49  mov r11d, [r15+0x6c]
;;    4d  imul r11d, 0x19660d
;;    54  add r11d, 0x3c6ef35f
;;    5b  mov [r15+0x6c], r11d
;;    5f  shr r11d, 0x11
;;    63  add r11d, 0x8000
;;    6a  add [r15+0x68], r11d
;;    6e  mov r11, [rbp-8]
;;    72  mov r11, [r11+0x10]
;;    76  sub dword ptr [r11+8], 0xc000
;;    7e  jns 0x22
;;    84  call qword ptr [r15+0x110]
;;    8b  jmp 0x22
;; function 4 indirect
;;     0  cmp rsp, [r15]
;;     3  jb 0x9a
;;     9  push rbp
;;     a  mov rbp, rsp
;;     d  sub rsp, 0x40
;;    11  mov [rbp-8], rdi
;;    15  mov esi, esi
;;    17  sub dword ptr [r15+0x68], 0x70
;;    1c  js 0xac
;;    22  mov eax, 2
;;    27  mov rcx, [rdi+0x40]
;;    2b  mov rdx, rax
;;    2e  cmp rdx, [rcx+8]
;;    32  jae 0x10d
;;    38  mov r11d, 0
;;    3e  cmovae rdx, r11
;;    42  mov rcx, [rcx]
;;    45  lea rdx, [rcx+rdx*8]
;;    4a  mov r10, [rdx]
;;    4d  mov r11, [rdi+0x18]
;;    51  mov r11d, [r11]
;;    54  cmp r11d, [r10+0x10] ; uninitialized element
;;    58  jne 0x10f
;;    5e  mov rax, r10
;;    61  mov r11, [rbp-8]
;;    65  sub eax, r11d
;;    68  mov r11, [r11+0x10]
;;    6c  cmp eax, [r11+0x80]
;;    73  jne 0xf3
;;    79  sub dword ptr [r11+0x84], 0xffffffff
;;    84  mov [rbp-0x38], esi
;;    87  mov r11, [rbp-8]
;;    8b  mov [r15+0x38], r11
;;    8f  mov rdi, [r10+8]
;;    93  call qword ptr [r10]
;;    96  mov eax, eax
;;    98  leave
;;    99  ret
;;    9a  push rbp
;;    9b  mov rbp, rsp
;;    9e  call qword ptr [r15+0x100]
;;    a5  pop rbp
;;    a7  jmp 9
;;    ac  mov r11d, [r15+0x6c]
;;    b0  imul r11d, 0x19660d
;;    b7  add r11d, 0x3c6ef35f
;;    be  mov [r15+0x6c], r11d
;;    c2  shr r11d, 0x11
;;    c6  add r11d, 0x8000
;;    cd  add [r15+0x68], r11d
;;    d1  mov r11, [rbp-8]
;;    d5  mov r11, [r11+0x10]
;;    d9  sub dword ptr [r11+0xc], 0xc000
;;    e1  jns 0x22
;;    e7  call qword ptr [r15+0x110]
;;    ee  jmp 0x22
;;    f3  lea r11, [r11+0x80]
;;    fa  mov [r15+0x1e0], eax
;;   101  call qword ptr [r15+0x188]
;;   108  jmp 0x84
;;   10d  ud2 ; undefined element
;;   10f  ud2 ; indirect call type mismatch
;; function 5 tail
;;     0  cmp rsp, [r15]
;;     3  jb 0x35
;;     9  push rbp
;;     a  mov rbp, rsp
;;     d  sub rsp, 0x40
;;    11  mov [rbp-8], rdi
;;    15  mov esi, esi
;;    17  sub dword ptr [r15+0x68], 0x70
;;    1c  js 0x47
;;    22  mov [rbp-0x38], esi
;;    25  mov rdi, [rbp-8]
;;    29  jmp 0x2e
;;    2e  leave
;;    2f  jmp qword ptr [slot]
;;    35  push rbp
;;    36  mov rbp, rsp
;;    39  call qword ptr [r15+0x100]
;;    40  pop rbp
;;    42  jmp 9
;;    47  mov r11d, [r15+0x6c]
;;    4b  imul r11d, 0x19660d
;;    52  add r11d, 0x3c6ef35f
;;    59  mov [r15+0x6c], r11d
;;    5d  shr r11d, 0x11
;;    61  add r11d, 0x8000
;;    68  add [r15+0x68], r11d
;;    6c  mov r11, [rbp-8]
;;    70  mov r11, [r11+0x10]
;;    74  sub dword ptr [r11+0x10], 0xc000
;;    7c  jns 0x22
;;    82  call qword ptr [r15+0x110]
;;    89  jmp 0x22
