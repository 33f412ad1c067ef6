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
;;    28  mov r11d, [r15+0x6c]
;;    2c  imul r11d, 0x19660d
;;    33  add r11d, 0x3c6ef35f
;;    3a  mov [r15+0x6c], r11d
;;    3e  shr r11d, 0x11
;;    42  add r11d, 0x8000
;;    49  add [r15+0x68], r11d
;;    4d  mov r11, [rbp-8]
;;    51  mov r11, [r11+0x10]
;;    55  sub dword ptr [r11], 0xc000
;;    5c  jns 0x1c
;;    62  call qword ptr [r15+0x110]
;;    69  jmp 0x1c
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
;;    2f  mov r11d, [r15+0x6c]
;;    33  imul r11d, 0x19660d
;;    3a  add r11d, 0x3c6ef35f
;;    41  mov [r15+0x6c], r11d
;;    45  shr r11d, 0x11
;;    49  add r11d, 0x8000
;;    50  add [r15+0x68], r11d
;;    54  mov r11, [rbp-8]
;;    58  mov r11, [r11+0x10]
;;    5c  sub dword ptr [r11+4], 0xc000
;;    64  jns 0x1e
;;    6a  call qword ptr [r15+0x110]
;;    71  jmp 0x1e
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
;;    2a  mov r11d, [r15+0x6c]
;;    2e  imul r11d, 0x19660d
;;    35  add r11d, 0x3c6ef35f
;;    3c  mov [r15+0x6c], r11d
;;    40  shr r11d, 0x11
;;    44  add r11d, 0x8000
;;    4b  add [r15+0x68], r11d
;;    4f  mov r11, [rbp-8]
;;    53  mov r11, [r11+0x10]
;;    57  sub dword ptr [r11+8], 0xc000
;;    5f  jns 0x1c
;;    65  call qword ptr [r15+0x110]
;;    6c  jmp 0x1c
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
;;    2c  ja 0x8b
;;    32  cmova rax, rdx
;;    36  mov rdx, [rcx]
;;    39  movzx r8d, byte ptr [rdx+rax+4] ; out of bounds memory access
;;    3f  mov rax, r8
;;    42  leave
;;    43  ret
;;    44  mov r11d, [r15+0x6c]
;;    48  imul r11d, 0x19660d
;;    4f  add r11d, 0x3c6ef35f
;;    56  mov [r15+0x6c], r11d
;;    5a  shr r11d, 0x11
;;    5e  add r11d, 0x8000
;;    65  add [r15+0x68], r11d
;;    69  mov r11, [rbp-8]
;;    6d  mov r11, [r11+0x10]
;;    71  sub dword ptr [r11+0xc], 0xc000
;;    79  jns 0x1a
;;    7f  call qword ptr [r15+0x110]
;;    86  jmp 0x1a
;;    8b  ud2 ; out of bounds memory access
