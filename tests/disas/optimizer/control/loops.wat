;; A loop does not poll: where it may be interrupted is only noted, also when it is empty.
(module
  (func $empty (loop $turn (br $turn)))
  (func $count (param i32)
    (loop $turn (br_if $turn (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))
;; function 0 empty
;;     0  cmp rsp, [r15]
;;     3  jb 0x19
;;     9  nop [rax]
;;    10  push rbp
;;    11  mov rbp, rsp
;;    14  jmp 0x14 ; poll
;;    19  push rbp
;;    1a  mov rbp, rsp
;;    1d  call qword ptr [r15+0x100]
;;    24  pop rbp
;;    25  jmp 0x10
;; function 1 count
;;     0  cmp rsp, [r15]
;;     3  jb 0x24
;;     9  nop [rax]
;;    10  push rbp
;;    11  mov rbp, rsp
;;    14  sub esi, 1 ; poll
;;    17  test esi, esi
;;    19  jne 0x14
;;    1f  mov rsp, rbp
;;    22  pop rbp
;;    23  ret
;;    24  push rbp
;;    25  mov rbp, rsp
;;    28  call qword ptr [r15+0x100]
;;    2f  pop rbp
;;    30  jmp 0x10
