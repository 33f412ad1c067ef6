;; Where the host wants no signals, each turn of a loop compares a word.
(module
  (func $empty (loop $turn (br $turn)))
  (func $count (param i32)
    (loop $turn (br_if $turn (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))
;; function 0 empty
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  mov rsi, r15
;;     7  mov rsi, [rsi]
;;     a  cmp rsi, 0xffffffffffffffff
;;     e  jne 4
;;    14  mov rdi, r15
;;    17  mov rdi, [rdi+0x108]
;;    1e  call rdi
;;    20  jmp 4
;; function 1 count
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  mov r8, r15
;;     7  mov r8, [r8]
;;     a  cmp r8, 0xffffffffffffffff
;;     e  je 0x24
;;    14  sub esi, 1
;;    17  test esi, esi
;;    19  jne 4
;;    1f  mov rsp, rbp
;;    22  pop rbp
;;    23  ret
;;    24  mov r11, r15
;;    27  mov r11, [r11+0x108]
;;    2e  call r11
;;    31  jmp 0x14
