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
;;     e  sub dword ptr [r15+0x68], 0x70
;;    13  js 0x25
;;    19  mov rax, [rdi]
;;    1c  mov ecx, [rax+rsi+0x10] ; out of bounds memory access
;;    20  mov rax, rcx
;;    23  leave
;;    24  ret
;;    25  mov r11d, [r15+0x6c]
;;    29  imul r11d, 0x19660d
;;    30  add r11d, 0x3c6ef35f
;;    37  mov [r15+0x6c], r11d
;;    3b  shr r11d, 0x11
;;    3f  add r11d, 0x8000
;;    46  add [r15+0x68], r11d
;;    4a  mov r11, [rbp-8]
;;    4e  mov r11, [r11+0x10]
;;    52  sub dword ptr [r11], 0xc000
;;    59  jns 0x19
;;    5f  call qword ptr [r15+0x110]
;;    66  jmp 0x19
;; function 1 indexed
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  mov edx, edx
;;    10  sub dword ptr [r15+0x68], 0x70
;;    15  js 0x2c
;;    1b  lea eax, [rsi+rdx*8]
;;    20  mov rcx, [rdi]
;;    23  mov r8, [rcx+rax] ; out of bounds memory access
;;    27  mov rax, r8
;;    2a  leave
;;    2b  ret
;;    2c  mov r11d, [r15+0x6c]
;;    30  imul r11d, 0x19660d
;;    37  add r11d, 0x3c6ef35f
;;    3e  mov [r15+0x6c], r11d
;;    42  shr r11d, 0x11
;;    46  add r11d, 0x8000
;;    4d  add [r15+0x68], r11d
;;    51  mov r11, [rbp-8]
;;    55  mov r11, [r11+0x10]
;;    59  sub dword ptr [r11+4], 0xc000
;;    61  jns 0x1b
;;    67  call qword ptr [r15+0x110]
;;    6e  jmp 0x1b
;; function 2 update
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  sub dword ptr [r15+0x68], 0x70
;;    13  js 0x27
;;    19  mov rax, [rdi]
;;    1c  mov ecx, [rax+rsi] ; out of bounds memory access
;;    1f  add ecx, 1
;;    22  mov [rax+rsi], ecx ; out of bounds memory access
;;    25  leave
;;    26  ret
;;    27  mov r11d, [r15+0x6c]
;;    2b  imul r11d, 0x19660d
;;    32  add r11d, 0x3c6ef35f
;;    39  mov [r15+0x6c], r11d
;;    3d  shr r11d, 0x11
;;    41  add r11d, 0x8000
;;    48  add [r15+0x68], r11d
;;    4c  mov r11, [rbp-8]
;;    50  mov r11, [r11+0x10]
;;    54  sub dword ptr [r11+8], 0xc000
;;    5c  jns 0x19
;;    62  call qword ptr [r15+0x110]
;;    69  jmp 0x19
;; function 3 checked
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  sub dword ptr [r15+0x68], 0x70
;;    11  js 0x41
;;    17  mov rax, rsi
;;    1a  mov rcx, [rdi+0x48]
;;    1e  mov rdx, [rcx+8]
;;    22  sub rdx, 5
;;    26  cmp rax, rdx
;;    29  ja 0x88
;;    2f  cmova rax, rdx
;;    33  mov rdx, [rcx]
;;    36  movzx r8d, byte ptr [rdx+rax+4] ; out of bounds memory access
;;    3c  mov rax, r8
;;    3f  leave
;;    40  ret
;;    41  mov r11d, [r15+0x6c]
;;    45  imul r11d, 0x19660d
;;    4c  add r11d, 0x3c6ef35f
;;    53  mov [r15+0x6c], r11d
;;    57  shr r11d, 0x11
;;    5b  add r11d, 0x8000
;;    62  add [r15+0x68], r11d
;;    66  mov r11, [rbp-8]
;;    6a  mov r11, [r11+0x10]
;;    6e  sub dword ptr [r11+0xc], 0xc000
;;    76  jns 0x17
;;    7c  call qword ptr [r15+0x110]
;;    83  jmp 0x17
;;    88  ud2 ; out of bounds memory access
