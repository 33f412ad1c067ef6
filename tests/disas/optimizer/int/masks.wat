;; Masks of bits that are clear already are left out.
(module
  (memory 1)
  (func $byte (param i32) (result i32)
    (i32.and (i32.load8_u (local.get 0)) (i32.const 255)))
  (func $truth (param i32 i32) (result i32)
    (i32.and (i32.lt_s (local.get 0) (local.get 1)) (i32.const 1)))
  (func $some (param i32) (result i32)
    (i32.and (i32.load8_u (local.get 0)) (i32.const 127))))
;; function 0 byte
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  mov r8, rsi
;;     7  mov rsi, [rdi]
;;     a  mov rdi, r8
;;     d  mov edi, edi
;;     f  movzx rax, byte ptr [rsi+rdi] ; out of bounds memory access
;;    14  mov rsp, rbp
;;    17  pop rbp
;;    18  ret
;; function 1 truth
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  cmp esi, edx
;;     6  setl sil
;;     a  movzx eax, sil
;;     e  mov rsp, rbp
;;    11  pop rbp
;;    12  ret
;; function 2 some
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  mov r8, rsi
;;     7  mov rsi, [rdi]
;;     a  mov edi, r8d
;;     d  movzx rax, byte ptr [rsi+rdi] ; out of bounds memory access
;;    12  and eax, 0x7f
;;    15  mov rsp, rbp
;;    18  pop rbp
;;    19  ret
