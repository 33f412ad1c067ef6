;; Guarded memory needs no check, 64-bit memory does; addresses fold into the operand.
(module
  (memory 1)
  (memory $large i64 1)
  (func $load (param i32) (result i32) (i32.load offset=16 (local.get 0)))
  (func $indexed (param i32 i32) (result i64)
    (i64.load (i32.add (local.get 0) (i32.shl (local.get 1) (i32.const 3)))))
  (func $update (param i32)
    (i32.store (local.get 0) (i32.add (i32.load (local.get 0)) (i32.const 1))))
  (func $checked (param i64) (result i32) (i32.load8_u $large offset=4 (local.get 0))))
;; function 0 load
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     f  mov r11, [rdi+0x10]
;;    14  sub dword ptr [r11], 8
;;    1d  js 0x32
;;    23  mov rax, [rdi]
;;    28  mov ecx, [rax+rsi+0x10] ; out of bounds memory access
;;    2d  mov rax, rcx
;;    30  leave
;;    31  ret
;;    32  call qword ptr [r15+0x100]
;;    3a  jmp 0x23
;; function 1 indexed
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     f  mov edx, edx
;;    12  mov r11, [rdi+0x10]
;;    17  sub dword ptr [r11+4], 8
;;    20  js 0x3a
;;    26  lea eax, [rsi+rdx*8]
;;    2b  mov rcx, [rdi]
;;    30  mov r8, [rcx+rax] ; out of bounds memory access
;;    35  mov rax, r8
;;    38  leave
;;    39  ret
;;    3a  call qword ptr [r15+0x100]
;;    42  jmp 0x26
;; function 2 update
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     f  mov r11, [rdi+0x10]
;;    14  sub dword ptr [r11+8], 8
;;    1d  js 0x38
;;    23  mov rax, [rdi]
;;    28  mov ecx, [rax+rsi] ; out of bounds memory access
;;    2d  add ecx, 1
;;    31  mov [rax+rsi], ecx ; out of bounds memory access
;;    36  leave
;;    37  ret
;;    38  call qword ptr [r15+0x100]
;;    40  jmp 0x23
;; function 3 checked
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov r11, [rdi+0x10]
;;    11  sub dword ptr [r11+0xc], 8
;;    1a  js 0x5e
;;    20  mov rax, rsi
;;    23  add rax, 4
;;    27  jb 0x6b
;;    2d  mov rcx, [rdi+0x38]
;;    32  mov rdx, [rcx+8]
;;    37  sub rdx, 1
;;    3b  jb 0x6b
;;    41  cmp rax, rdx
;;    44  ja 0x6b
;;    4a  cmova rax, rdx
;;    4e  mov rdx, [rcx]
;;    53  movzx r8d, byte ptr [rdx+rax] ; out of bounds memory access
;;    59  mov rax, r8
;;    5c  leave
;;    5d  ret
;;    5e  call qword ptr [r15+0x100]
;;    66  jmp 0x20
;;    6b  ud2 ; out of bounds memory access
