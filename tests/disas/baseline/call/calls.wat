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
;;     f  mov r11, [rdi+0x10]
;;    14  sub dword ptr [r11], 8
;;    1d  js 0x28
;;    23  mov rax, rsi
;;    26  leave
;;    27  ret
;;    28  call qword ptr [r15+0x100]
;;    30  jmp 0x23
;; function 2 direct
;;     0  cmp rsp, [r15]
;;     5  jb 0x48
;;     b  push rbp
;;     c  mov rbp, rsp
;;     f  sub rsp, 0x40
;;    13  mov [rbp-8], rdi
;;    17  mov esi, esi
;;    1a  mov r11, [rdi+0x10]
;;    1f  sub dword ptr [r11+4], 8
;;    28  js 0x5b
;;    2e  mov [rbp-0x38], esi
;;    32  mov rdi, [rbp-8]
;;    36  call qword ptr [slot]
;;    3c  mov eax, eax
;;    3f  mov ecx, [rbp-0x38]
;;    43  add eax, ecx
;;    46  leave
;;    47  ret
;;    48  push rbp
;;    49  mov rbp, rsp
;;    4c  call qword ptr [r15+0xf0]
;;    54  pop rbp
;;    56  jmp 0xb
;;    5b  call qword ptr [r15+0x100]
;;    63  jmp 0x2e
;; function 3 imported
;;     0  cmp rsp, [r15]
;;     5  jb 0x47
;;     b  push rbp
;;     c  mov rbp, rsp
;;     f  sub rsp, 0x40
;;    13  mov [rbp-8], rdi
;;    17  mov esi, esi
;;    1a  mov r11, [rdi+0x10]
;;    1f  sub dword ptr [r11+8], 8
;;    28  js 0x5a
;;    2e  mov [rbp-0x38], esi
;;    32  mov r11, [rbp-8]
;;    36  mov [r15+0x38], r11
;;    3b  mov rdi, [r11+0x40]
;;    40  call qword ptr [r11+0x38]
;;    45  leave
;;    46  ret
;;    47  push rbp
;;    48  mov rbp, rsp
;;    4b  call qword ptr [r15+0xf0]
;;    53  pop rbp
;;    55  jmp 0xb
;;    5a  call qword ptr [r15+0x100]
;;    62  jmp 0x2e
;; function 4 indirect
;;     0  cmp rsp, [r15]
;;     5  jb 0x91
;;     b  push rbp
;;     c  mov rbp, rsp
;;     f  sub rsp, 0x40
;;    13  mov [rbp-8], rdi
;;    17  mov esi, esi
;;    1a  mov r11, [rdi+0x10]
;;    1f  sub dword ptr [r11+0xc], 8
;;    28  js 0xa4
;;    2e  mov eax, 2
;;    34  mov rcx, [rdi+0x30]
;;    39  mov rdx, rax
;;    3c  cmp rdx, [rcx+8]
;;    41  jae 0xb1
;;    47  mov r11d, 0
;;    4d  cmovae rdx, r11
;;    51  mov rcx, [rcx]
;;    56  lea rdx, [rcx+rdx*8]
;;    5b  mov r10, [rdx]
;;    60  mov r11, [rdi+0x18]
;;    65  mov r11d, [r11]
;;    6a  cmp r11d, [r10+0x10] ; uninitialized element
;;    6f  jne 0xb3
;;    75  mov [rbp-0x38], esi
;;    79  mov r11, [rbp-8]
;;    7d  mov [r15+0x38], r11
;;    82  mov rdi, [r10+8]
;;    87  call qword ptr [r10]
;;    8c  mov eax, eax
;;    8f  leave
;;    90  ret
;;    91  push rbp
;;    92  mov rbp, rsp
;;    95  call qword ptr [r15+0xf0]
;;    9d  pop rbp
;;    9f  jmp 0xb
;;    a4  call qword ptr [r15+0x100]
;;    ac  jmp 0x2e
;;    b1  ud2 ; undefined element
;;    b3  ud2 ; indirect call type mismatch
;; function 5 tail
;;     0  cmp rsp, [r15]
;;     5  jb 0x42
;;     b  push rbp
;;     c  mov rbp, rsp
;;     f  sub rsp, 0x40
;;    13  mov [rbp-8], rdi
;;    17  mov esi, esi
;;    1a  mov r11, [rdi+0x10]
;;    1f  sub dword ptr [r11+0x10], 8
;;    28  js 0x55
;;    2e  mov [rbp-0x38], esi
;;    32  mov rdi, [rbp-8]
;;    36  jmp 0x3b
;;    3b  leave
;;    3c  jmp qword ptr [slot]
;;    42  push rbp
;;    43  mov rbp, rsp
;;    46  call qword ptr [r15+0xf0]
;;    4e  pop rbp
;;    50  jmp 0xb
;;    55  call qword ptr [r15+0x100]
;;    5d  jmp 0x2e
