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
;;    10  sub dword ptr [r15+0x68], 0x50
;;    18  js 0x33
;;    1e  cmp esi, edx
;;    20  jge 0x2e
;;    26  mov rax, rsi
;;    29  jmp 0x31
;;    2e  mov rax, rdx
;;    31  leave
;;    32  ret
;;    33  mov r11d, 0
;;    39  call qword ptr [r15+0x190]
;;    40  jmp 0x1e
;; function 1 select
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x50
;;     8  mov [rbp-8], rdi
;;     c  sub dword ptr [r15+0x68], 0x50
;;    14  js 0x2d
;;    1a  vxorps xmm1, xmm1, xmm1
;;    1f  vucomisd xmm0, xmm1
;;    24  mov rax, rdx
;;    27  cmova rax, rsi
;;    2b  leave
;;    2c  ret
;;    2d  mov r11d, 4
;;    33  call qword ptr [r15+0x190]
;;    3a  jmp 0x1a
;; function 2 table
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  sub dword ptr [r15+0x68], 0x70
;;    16  js 0x76
;;    1c  mov rax, rsi
;;    1f  mov r11d, 2
;;    25  cmp eax, r11d
;;    28  cmova eax, r11d
;;    2c  lea r11, [slot]
;;    33  movsxd rax, [r11+rax*4]
;;    38  add r11, rax
;;    3b  jmp r11
;;    3e  int3
;;    3f  int3
;;    40  entry 0: 0x4c
;;    44  entry 1: 0x51
;;    48  entry 2: 0x56
;;    4c  jmp 0x6f
;;    51  jmp 0x65
;;    56  jmp 0x5b
;;    5b  mov eax, 1
;;    60  jmp 0x74
;;    65  mov eax, 2
;;    6a  jmp 0x74
;;    6f  mov eax, 3
;;    74  leave
;;    75  ret
;;    76  mov r11d, 8
;;    7c  call qword ptr [r15+0x190]
;;    83  jmp 0x1c
