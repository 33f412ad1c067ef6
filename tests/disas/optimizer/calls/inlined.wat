;; Calls of small functions are gone, also within each other and with an early return; the
;; recursive one stays.
(module
  (func $leaf (param i32 i32) (result i32)
    (i32.add (local.get 0) (local.get 1)))
  (func $early (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 7))))
    (call $leaf (local.get 0) (i32.const 2)))
  (func $caller (param i32) (result i32)
    (i32.mul (call $early (local.get 0)) (call $leaf (local.get 0) (local.get 0))))
  (func $recursive (param i32) (result i32)
    (call $recursive (call $leaf (local.get 0) (i32.const 1)))))
;; function 0 leaf
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  lea eax, [rsi+rdx]
;;     7  mov rsp, rbp
;;     a  pop rbp
;;     b  ret
;; function 1 early
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  test esi, esi
;;     6  je 0x14
;;     c  lea eax, [rsi+2]
;;     f  mov rsp, rbp
;;    12  pop rbp
;;    13  ret
;;    14  mov eax, 7
;;    19  mov rsp, rbp
;;    1c  pop rbp
;;    1d  ret
;; function 2 caller
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  test esi, esi
;;     6  je 0x14
;;     c  lea eax, [rsi+2]
;;     f  jmp 0x19
;;    14  mov eax, 7
;;    19  lea r11d, [rsi+rsi]
;;    1d  imul eax, r11d
;;    21  mov rsp, rbp
;;    24  pop rbp
;;    25  ret
;; function 3 recursive
;;     0  cmp rsp, [r15]
;;     3  jb 0x29
;;     9  nop [rax]
;;    10  push rbp
;;    11  mov rbp, rsp
;;    14  add esi, 1
;;    1a  mov r8, [slot]
;;    21  call r8
;;    24  mov rsp, rbp
;;    27  pop rbp
;;    28  ret
;;    29  push rbp
;;    2a  mov rbp, rsp
;;    2d  call qword ptr [r15+0x100]
;;    34  pop rbp
;;    35  jmp 0x10
