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
;;    21  mov r11d, 0
;;    27  call qword ptr [r15+0x190]
;;    2e  jmp 0x1c
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
;;    4d  mov r11d, 4
;;    53  call qword ptr [r15+0x190]
;;    5a  jmp 0x25
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
;;    4c  mov r11d, 8
;;    52  call qword ptr [r15+0x190]
;;    59  jmp 0x25
;; function 4 indirect
;;     0  cmp rsp, [r15]
;;     3  jb 0x84
;;     9  push rbp
;;     a  mov rbp, rsp
;;     d  sub rsp, 0x40
;;    11  mov [rbp-8], rdi
;;    15  mov esi, esi
;;    17  sub dword ptr [r15+0x68], 0xa0
;;    1f  js 0x96
;;    25  mov eax, 2
;;    2a  mov rcx, [rdi+0x40]
;;    2e  mov rdx, rax
;;    31  cmp rdx, [rcx+8]
;;    35  jae 0xa8
;;    3b  mov r11d, 0
;;    41  cmovae rdx, r11
;;    45  mov rcx, [rcx]
;;    48  lea rdx, [rcx+rdx*8]
;;    4d  mov r10, [rdx]
;;    50  mov r11, [rdi+0x18]
;;    54  mov r11d, [r11]
;;    57  cmp r11d, [r10+0x10] ; uninitialized element
;;    5b  jne 0xaa
;;    61  mov r11d, 0x80
;;    67  call qword ptr [r15+0x188]
;;    6e  mov [rbp-0x38], esi
;;    71  mov r11, [rbp-8]
;;    75  mov [r15+0x38], r11
;;    79  mov rdi, [r10+8]
;;    7d  call qword ptr [r10]
;;    80  mov eax, eax
;;    82  leave
;;    83  ret
;;    84  push rbp
;;    85  mov rbp, rsp
;;    88  call qword ptr [r15+0x100]
;;    8f  pop rbp
;;    91  jmp 9
;;    96  mov r11d, 0xc
;;    9c  call qword ptr [r15+0x190]
;;    a3  jmp 0x25
;;    a8  ud2 ; undefined element
;;    aa  ud2 ; indirect call type mismatch
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
;;    4a  mov r11d, 0x10
;;    50  call qword ptr [r15+0x190]
;;    57  jmp 0x25
