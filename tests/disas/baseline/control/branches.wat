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
;;     f  mov edx, edx
;;    12  mov r11, [rdi+0x10]
;;    17  sub dword ptr [r11], 8
;;    20  js 0x3c
;;    26  cmp esi, edx
;;    29  jge 0x37
;;    2f  mov rax, rsi
;;    32  jmp 0x3a
;;    37  mov rax, rdx
;;    3a  leave
;;    3b  ret
;;    3c  call qword ptr [r15+0x100]
;;    44  jmp 0x26
;; function 1 select
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x50
;;     8  mov [rbp-8], rdi
;;     c  mov r11, [rdi+0x10]
;;    11  sub dword ptr [r11+4], 8
;;    1a  js 0x33
;;    20  vxorps xmm1, xmm1, xmm1
;;    25  vucomisd xmm0, xmm1
;;    2a  mov rax, rdx
;;    2d  cmova rax, rsi
;;    31  leave
;;    32  ret
;;    33  call qword ptr [r15+0x100]
;;    3b  jmp 0x20
;; function 2 table
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     f  mov r11, [rdi+0x10]
;;    14  sub dword ptr [r11+8], 8
;;    1d  js 0x81
;;    23  mov rax, rsi
;;    26  mov r11d, 2
;;    2c  cmp eax, r11d
;;    2f  cmova eax, r11d
;;    33  lea r11, [slot]
;;    3a  movsxd rax, [r11+rax*4]
;;    3f  add r11, rax
;;    42  jmp r11
;;    45  int3
;;    46  int3
;;    47  int3
;;    48  or al, 0
;;    4a  add [rax], al
;;    4c  adc [rax], eax
;;    4e  add [rax], al
;;    50  (bad)
;;    52  add [rax], al
;;    54  jmp 0x79
;;    59  jmp 0x6e
;;    5e  jmp 0x63
;;    63  mov eax, 1
;;    69  jmp 0x7f
;;    6e  mov eax, 2
;;    74  jmp 0x7f
;;    79  mov eax, 3
;;    7f  leave
;;    80  ret
;;    81  call qword ptr [r15+0x100]
;;    89  jmp 0x23
