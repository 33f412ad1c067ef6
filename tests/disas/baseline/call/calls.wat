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
;;     e  mov r11, [rdi+0x10]
;;    12  sub dword ptr [r11], 8
;;    19  js 0x24
;;    1f  mov rax, rsi
;;    22  leave
;;    23  ret
;;    24  call qword ptr [r15+0x108]
;;    2b  jmp 0x1f
;; function 2 direct
;;     0  cmp rsp, [r15]
;;     3  jb 0x3f
;;     9  push rbp
;;     a  mov rbp, rsp
;;     d  sub rsp, 0x40
;;    11  mov [rbp-8], rdi
;;    15  mov esi, esi
;;    17  mov r11, [rdi+0x10]
;;    1b  sub dword ptr [r11+4], 8
;;    23  js 0x51
;;    29  mov [rbp-0x38], esi
;;    2c  mov rdi, [rbp-8]
;;    30  call qword ptr [slot]
;;    36  mov eax, eax
;;    38  mov ecx, [rbp-0x38]
;;    3b  add eax, ecx
;;    3d  leave
;;    3e  ret
;;    3f  push rbp
;;    40  mov rbp, rsp
;;    43  call qword ptr [r15+0xf8]
;;    4a  pop rbp
;;    4c  jmp 9
;;    51  call qword ptr [r15+0x108]
;;    58  jmp 0x29
;; function 3 imported
;;     0  cmp rsp, [r15]
;;     3  jb 0x3e
;;     9  push rbp
;;     a  mov rbp, rsp
;;     d  sub rsp, 0x40
;;    11  mov [rbp-8], rdi
;;    15  mov esi, esi
;;    17  mov r11, [rdi+0x10]
;;    1b  sub dword ptr [r11+8], 8
;;    23  js 0x50
;;    29  mov [rbp-0x38], esi
;;    2c  mov r11, [rbp-8]
;;    30  mov [r15+0x38], r11
;;    34  mov rdi, [r11+0x50]
;;    38  call qword ptr [r11+0x48]
;;    3c  leave
;;    3d  ret
;;    3e  push rbp
;;    3f  mov rbp, rsp
;;    42  call qword ptr [r15+0xf8]
;;    49  pop rbp
;;    4b  jmp 9
;;    50  call qword ptr [r15+0x108]
;;    57  jmp 0x29
;; function 4 indirect
;;     0  cmp rsp, [r15]
;;     3  jb 0x7b
;;     9  push rbp
;;     a  mov rbp, rsp
;;     d  sub rsp, 0x40
;;    11  mov [rbp-8], rdi
;;    15  mov esi, esi
;;    17  mov r11, [rdi+0x10]
;;    1b  sub dword ptr [r11+0xc], 8
;;    23  js 0x8d
;;    29  mov eax, 2
;;    2e  mov rcx, [rdi+0x40]
;;    32  mov rdx, rax
;;    35  cmp rdx, [rcx+8]
;;    39  jae 0x99
;;    3f  mov r11d, 0
;;    45  cmovae rdx, r11
;;    49  mov rcx, [rcx]
;;    4c  lea rdx, [rcx+rdx*8]
;;    51  mov r10, [rdx]
;;    54  mov r11, [rdi+0x18]
;;    58  mov r11d, [r11]
;;    5b  cmp r11d, [r10+0x10] ; uninitialized element
;;    5f  jne 0x9b
;;    65  mov [rbp-0x38], esi
;;    68  mov r11, [rbp-8]
;;    6c  mov [r15+0x38], r11
;;    70  mov rdi, [r10+8]
;;    74  call qword ptr [r10]
;;    77  mov eax, eax
;;    79  leave
;;    7a  ret
;;    7b  push rbp
;;    7c  mov rbp, rsp
;;    7f  call qword ptr [r15+0xf8]
;;    86  pop rbp
;;    88  jmp 9
;;    8d  call qword ptr [r15+0x108]
;;    94  jmp 0x29
;;    99  ud2 ; undefined element
;;    9b  ud2 ; indirect call type mismatch
;; function 5 tail
;;     0  cmp rsp, [r15]
;;     3  jb 0x3c
;;     9  push rbp
;;     a  mov rbp, rsp
;;     d  sub rsp, 0x40
;;    11  mov [rbp-8], rdi
;;    15  mov esi, esi
;;    17  mov r11, [rdi+0x10]
;;    1b  sub dword ptr [r11+0x10], 8
;;    23  js 0x4e
;;    29  mov [rbp-0x38], esi
;;    2c  mov rdi, [rbp-8]
;;    30  jmp 0x35
;;    35  leave
;;    36  jmp qword ptr [slot]
;;    3c  push rbp
;;    3d  mov rbp, rsp
;;    40  call qword ptr [r15+0xf8]
;;    47  pop rbp
;;    49  jmp 9
;;    4e  call qword ptr [r15+0x108]
;;    55  jmp 0x29
