;; The base of a memory that cannot move is loaded once, in front of the loop; no access is checked.
(module
  (memory 1)
  (func $fill (param $at i32) (param $end i32)
    (loop $turn
      (i32.store (local.get $at) (i32.load offset=16 (local.get $at)))
      (br_if $turn (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4)))
        (local.get $end))))))
;; function 0 fill
;;     0  cmp rsp, [r15]
;;     3  jb 0x36
;;     9  nop [rax]
;;    10  push rbp
;;    11  mov rbp, rsp
;;    14  mov r8, [rdi]
;;    17  mov r10d, esi ; poll
;;    1a  mov r11d, [r8+r10+0x10] ; out of bounds memory access
;;    1f  mov [r8+r10], r11d ; out of bounds memory access
;;    23  add esi, 4
;;    29  cmp esi, edx
;;    2b  jb 0x17
;;    31  mov rsp, rbp
;;    34  pop rbp
;;    35  ret
;;    36  push rbp
;;    37  mov rbp, rsp
;;    3a  call qword ptr [r15+0x100]
;;    41  pop rbp
;;    42  jmp 0x10
