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
;;    10  mov r11, [rdi+0x10]
;;    14  sub dword ptr [r11], 8
;;    1b  js 0x36
;;    21  cmp esi, edx
;;    23  jge 0x31
;;    29  mov rax, rsi
;;    2c  jmp 0x34
;;    31  mov rax, rdx
;;    34  leave
;;    35  ret
;;    36  call qword ptr [r15+0x108]
;;    3d  jmp 0x21
;; function 1 select
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x50
;;     8  mov [rbp-8], rdi
;;     c  mov r11, [rdi+0x10]
;;    10  sub dword ptr [r11+4], 8
;;    18  js 0x31
;;    1e  vxorps xmm1, xmm1, xmm1
;;    23  vucomisd xmm0, xmm1
;;    28  mov rax, rdx
;;    2b  cmova rax, rsi
;;    2f  leave
;;    30  ret
;;    31  call qword ptr [r15+0x108]
;;    38  jmp 0x1e
;; function 2 table
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  mov r11, [rdi+0x10]
;;    12  sub dword ptr [r11+8], 8
;;    1a  js 0x7a
;;    20  mov rax, rsi
;;    23  mov r11d, 2
;;    29  cmp eax, r11d
;;    2c  cmova eax, r11d
;;    30  lea r11, [slot]
;;    37  movsxd rax, [r11+rax*4]
;;    3c  add r11, rax
;;    3f  jmp r11
;;    42  int3
;;    43  int3
;;    44  or al, 0
;;    46  add [rax], al
;;    48  adc [rax], eax
;;    4a  add [rax], al
;;    4c  (bad)
;;    4e  add [rax], al
;;    50  jmp 0x73
;;    55  jmp 0x69
;;    5a  jmp 0x5f
;;    5f  mov eax, 1
;;    64  jmp 0x78
;;    69  mov eax, 2
;;    6e  jmp 0x78
;;    73  mov eax, 3
;;    78  leave
;;    79  ret
;;    7a  call qword ptr [r15+0x108]
;;    81  jmp 0x20
