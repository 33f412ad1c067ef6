;; The inner loop's body goes on with the outer one when it is left.
(module
  (func $pairs (param $n i32) (result i32) (local $i i32) (local $j i32) (local $s i32)
    (loop $outer
      (local.set $j (i32.const 0))
      (loop $inner
        (local.set $s (i32.add (i32.mul (local.get $s) (i32.const 3)) (local.get $j)))
        (br_if $inner (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1)))
          (local.get $i))))
      (br_if $outer (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
        (local.get $n))))
    (local.get $s)))
;; function 0 pairs
;;     0  cmp rsp, [r15]
;;     3  jb 0x49
;;     9  nop [rax]
;;    10  push rbp
;;    11  mov rbp, rsp
;;    14  xor eax, eax
;;    16  mov rdi, rax
;;    19  xor r9d, r9d ; poll
;;    1c  lea ecx, [r9+1] ; poll
;;    20  imul eax, 3
;;    23  add eax, r9d
;;    26  cmp ecx, edi
;;    28  jae 0x36
;;    2e  mov r9, rcx
;;    31  jmp 0x1c
;;    36  add edi, 1
;;    3c  cmp edi, esi
;;    3e  jb 0x19
;;    44  mov rsp, rbp
;;    47  pop rbp
;;    48  ret
;;    49  push rbp
;;    4a  mov rbp, rsp
;;    4d  call qword ptr [r15+0x100]
;;    54  pop rbp
;;    55  jmp 0x10
;; function 0 pairs, entered at loop 0
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  mov rax, r15
;;     7  mov rax, [rax+0x48]
;;     b  mov ecx, [rax]
;;     d  mov esi, [rax+0x10]
;;    10  mov edx, [rax+0x20]
;;    13  mov eax, [rax+0x30]
;;    16  xor edi, edi ; poll
;;    18  lea edx, [rdi+1] ; poll
;;    1b  imul eax, 3
;;    1e  add eax, edi
;;    20  cmp edx, esi
;;    22  jae 0x30
;;    28  mov rdi, rdx
;;    2b  jmp 0x18
;;    30  add esi, 1
;;    36  cmp esi, ecx
;;    38  jb 0x16
;;    3e  mov rsp, rbp
;;    41  pop rbp
;;    42  ret
;; function 0 pairs, entered at loop 1
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  mov rax, r15
;;     7  mov rax, [rax+0x48]
;;     b  mov ecx, [rax]
;;     d  mov esi, [rax+0x10]
;;    10  mov r9d, [rax+0x20]
;;    14  mov eax, [rax+0x30]
;;    17  lea edx, [r9+1] ; poll
;;    1b  imul eax, 3
;;    1e  add eax, r9d
;;    21  cmp edx, esi
;;    23  jae 0x31
;;    29  mov r9, rdx
;;    2c  jmp 0x17
;;    31  add esi, 1
;;    37  cmp esi, ecx
;;    39  jb 0x44
;;    3f  mov rsp, rbp
;;    42  pop rbp
;;    43  ret
;;    44  xor r9d, r9d ; poll
;;    47  jmp 0x17
