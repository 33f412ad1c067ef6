;; Accesses of a 64-bit memory compare the variable part of the address once: the second access ends
;; no farther than the first, and the constant address is within the minimum.
(module
  (memory i64 1)
  (func $access (param i64) (result i32)
    (i32.add
      (i32.load offset=8 (local.get 0))
      (i32.add (i32.load offset=4 (local.get 0)) (i32.load (i64.const 64)))))
  (func $beyond-the-minimum (param i64) (result i32)
    (i32.load offset=0x20000 (local.get 0))))
;; function 0 access
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  mov r11, [rdi+8]
;;     8  mov r10, [r11+8]
;;     c  sub r10, 0xc
;;    10  cmp rsi, r10
;;    13  ja 0x36
;;    19  mov rax, [r11]
;;    1c  cmp rsi, r10
;;    1f  cmova rsi, r10
;;    23  mov ecx, [rax+rsi+8] ; out of bounds memory access
;;    27  mov edx, [rax+rsi+4] ; out of bounds memory access
;;    2b  add edx, [rax+0x40] ; out of bounds memory access
;;    2e  lea eax, [rcx+rdx]
;;    31  mov rsp, rbp
;;    34  pop rbp
;;    35  ret
;;    36  ud2 ; out of bounds memory access
;; function 1 beyond-the-minimum
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  add rsi, 0x20000
;;     b  jb 0x42
;;    11  mov r10, [rdi+8]
;;    15  mov r9, [r10+8]
;;    19  cmp r9, 4
;;    1d  jb 0x44
;;    23  sub r9, 4
;;    27  cmp rsi, r9
;;    2a  ja 0x46
;;    30  mov rax, [r10]
;;    33  cmp rsi, r9
;;    36  cmova rsi, r9
;;    3a  mov eax, [rax+rsi] ; out of bounds memory access
;;    3d  mov rsp, rbp
;;    40  pop rbp
;;    41  ret
;;    42  ud2 ; out of bounds memory access
;;    44  ud2 ; out of bounds memory access
;;    46  ud2 ; out of bounds memory access
