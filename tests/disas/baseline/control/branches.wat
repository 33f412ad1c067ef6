;; Comparisons fuse with the branch that uses them.
(module
  (func $if (param i32 i32) (result i32)
    (if (result i32) (i32.lt_s (local.get 0) (local.get 1))
      (then (local.get 0)) (else (local.get 1))))
  (func $select (param i64 i64 f64) (result i64)
    (select (local.get 0) (local.get 1) (f64.gt (local.get 2) (f64.const 0))))
  (func $table (param i32) (result i32)
    (block $a (block $b (block $c (br_table $a $b $c (local.get 0)))
      (return (i32.const 1))) (return (i32.const 2))) (i32.const 3)))
;; function 0 if
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  mov edx, edx
;;    10  sub dword ptr [r15+0x68], 0x70
;;    15  js 0x30
;;    1b  cmp esi, edx
;;    1d  jge 0x2b
;;    23  mov rax, rsi
;;    26  jmp 0x2e
;;    2b  mov rax, rdx
;;    2e  leave
;;    2f  ret
;;    30  mov r11d, [r15+0x6c]
;;    34  imul r11d, 0x19660d
;;    3b  add r11d, 0x3c6ef35f
;;    42  mov [r15+0x6c], r11d
;;    46  shr r11d, 0x11
;;    4a  add r11d, 0x8000
;;    51  add [r15+0x68], r11d
;;    55  mov r11, [rbp-8]
;;    59  mov r11, [r11+0x10]
;;    5d  sub dword ptr [r11], 0xc000
;;    64  jns 0x1b
;;    6a  call qword ptr [r15+0x110]
;;    71  jmp 0x1b
;; function 1 select
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x50
;;     8  mov [rbp-8], rdi
;;     c  sub dword ptr [r15+0x68], 0x70
;;    11  js 0x2a
;;    17  vxorps xmm1, xmm1, xmm1
;;    1c  vucomisd xmm0, xmm1
;;    21  mov rax, rdx
;;    24  cmova rax, rsi
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
;;    57  sub dword ptr [r11+4], 0xc000
;;    5f  jns 0x17
;;    65  call qword ptr [r15+0x110]
;;    6c  jmp 0x17
;; function 2 table
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  sub dword ptr [r15+0x68], 0x70
;;    13  js 0x72
;;    19  mov rax, rsi
;;    1c  mov r11d, 2
;;    22  cmp eax, r11d
;;    25  cmova eax, r11d
;;    29  lea r11, [slot]
;;    30  movsxd rax, [r11+rax*4]
;;    35  add r11, rax
;;    38  jmp r11
;;    3b  int3
;;    3c  entry 0: 0x48
;;    40  entry 1: 0x4d
;;    44  entry 2: 0x52
;;    48  jmp 0x6b
;;    4d  jmp 0x61
;;    52  jmp 0x57
;;    57  mov eax, 1
;;    5c  jmp 0x70
;;    61  mov eax, 2
;;    66  jmp 0x70
;;    6b  mov eax, 3
;;    70  leave
;;    71  ret
;;    72  mov r11d, [r15+0x6c]
;;    76  imul r11d, 0x19660d
;;    7d  add r11d, 0x3c6ef35f
;;    84  mov [r15+0x6c], r11d
;;    88  shr r11d, 0x11
;;    8c  add r11d, 0x8000
;;    93  add [r15+0x68], r11d
;;    97  mov r11, [rbp-8]
;;    9b  mov r11, [r11+0x10]
;;    9f  sub dword ptr [r11+8], 0xc000
;;    a7  jns 0x19
;;    ad  call qword ptr [r15+0x110]
;;    b4  jmp 0x19
