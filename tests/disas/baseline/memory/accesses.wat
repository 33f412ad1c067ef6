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
;;     e  sub dword ptr [r15+0x68], 0x50
;;    16  js 0x28
;;    1c  mov rax, [rdi]
;;    1f  mov ecx, [rax+rsi+0x10] ; out of bounds memory access
;;    23  mov rax, rcx
;;    26  leave
;;    27  ret
;;    28  mov r11d, 0
;;    2e  call qword ptr [r15+0x190]
;;    35  jmp 0x1c
;; function 1 indexed
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  mov edx, edx
;;    10  sub dword ptr [r15+0x68], 0x50
;;    18  js 0x2f
;;    1e  lea eax, [rsi+rdx*8]
;;    23  mov rcx, [rdi]
;;    26  mov r8, [rcx+rax] ; out of bounds memory access
;;    2a  mov rax, r8
;;    2d  leave
;;    2e  ret
;;    2f  mov r11d, 4
;;    35  call qword ptr [r15+0x190]
;;    3c  jmp 0x1e
;; function 2 update
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  sub dword ptr [r15+0x68], 0x50
;;    16  js 0x2a
;;    1c  mov rax, [rdi]
;;    1f  mov ecx, [rax+rsi] ; out of bounds memory access
;;    22  add ecx, 1
;;    25  mov [rax+rsi], ecx ; out of bounds memory access
;;    28  leave
;;    29  ret
;;    2a  mov r11d, 8
;;    30  call qword ptr [r15+0x190]
;;    37  jmp 0x1c
;; function 3 checked
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  sub dword ptr [r15+0x68], 0x70
;;    14  js 0x44
;;    1a  mov rax, rsi
;;    1d  mov rcx, [rdi+0x48]
;;    21  mov rdx, [rcx+8]
;;    25  sub rdx, 5
;;    29  cmp rax, rdx
;;    2c  ja 0x56
;;    32  cmova rax, rdx
;;    36  mov rdx, [rcx]
;;    39  movzx r8d, byte ptr [rdx+rax+4] ; out of bounds memory access
;;    3f  mov rax, r8
;;    42  leave
;;    43  ret
;;    44  mov r11d, 0xc
;;    4a  call qword ptr [r15+0x190]
;;    51  jmp 0x1a
;;    56  ud2 ; out of bounds memory access
