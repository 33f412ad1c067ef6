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
;;     e  mov r11, [rdi+0x10]
;;    12  sub dword ptr [r11], 8
;;    19  js 0x2b
;;    1f  mov rax, [rdi]
;;    22  mov ecx, [rax+rsi+0x10] ; out of bounds memory access
;;    26  mov rax, rcx
;;    29  leave
;;    2a  ret
;;    2b  call qword ptr [r15+0x108]
;;    32  jmp 0x1f
;; function 1 indexed
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  mov edx, edx
;;    10  mov r11, [rdi+0x10]
;;    14  sub dword ptr [r11+4], 8
;;    1c  js 0x33
;;    22  lea eax, [rsi+rdx*8]
;;    27  mov rcx, [rdi]
;;    2a  mov r8, [rcx+rax] ; out of bounds memory access
;;    2e  mov rax, r8
;;    31  leave
;;    32  ret
;;    33  call qword ptr [r15+0x108]
;;    3a  jmp 0x22
;; function 2 update
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  mov r11, [rdi+0x10]
;;    12  sub dword ptr [r11+8], 8
;;    1a  js 0x2e
;;    20  mov rax, [rdi]
;;    23  mov ecx, [rax+rsi] ; out of bounds memory access
;;    26  add ecx, 1
;;    29  mov [rax+rsi], ecx ; out of bounds memory access
;;    2c  leave
;;    2d  ret
;;    2e  call qword ptr [r15+0x108]
;;    35  jmp 0x20
;; function 3 checked
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov r11, [rdi+0x10]
;;    10  sub dword ptr [r11+0xc], 8
;;    18  js 0x48
;;    1e  mov rax, rsi
;;    21  mov rcx, [rdi+0x48]
;;    25  mov rdx, [rcx+8]
;;    29  sub rdx, 5
;;    2d  cmp rax, rdx
;;    30  ja 0x54
;;    36  cmova rax, rdx
;;    3a  mov rdx, [rcx]
;;    3d  movzx r8d, byte ptr [rdx+rax+4] ; out of bounds memory access
;;    43  mov rax, r8
;;    46  leave
;;    47  ret
;;    48  call qword ptr [r15+0x108]
;;    4f  jmp 0x1e
;;    54  ud2 ; out of bounds memory access
