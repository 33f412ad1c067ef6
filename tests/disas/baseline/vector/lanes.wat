;; Three-operand vector code.
(module
  (memory 1)
  (func $add (param v128 v128) (result v128) (i32x4.add (local.get 0) (local.get 1)))
  (func $loaded (param v128 i32) (result v128)
    (f32x4.mul (local.get 0) (v128.load (local.get 1))))
  (func $lane (param v128) (result f32) (f32x4.extract_lane 2 (local.get 0)))
  (func $shuffle (param v128 v128) (result v128)
    (i8x16.shuffle 0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23 (local.get 0) (local.get 1))))
;; function 0 add
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x50
;;     8  mov [rbp-8], rdi
;;     c  sub dword ptr [r15+0x68], 0x50
;;    14  js 0x25
;;    1a  vpaddd xmm2, xmm0, xmm1
;;    1e  vmovaps xmm0, xmm2
;;    23  leave
;;    24  ret
;;    25  mov r11d, 0
;;    2b  call qword ptr [r15+0x190]
;;    32  jmp 0x1a
;; function 1 loaded
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x50
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  sub dword ptr [r15+0x68], 0x50
;;    16  js 0x2f
;;    1c  mov rax, [rdi]
;;    1f  vmovdqu xmm1, [rax+rsi] ; out of bounds memory access
;;    24  vmulps xmm1, xmm0, xmm1
;;    28  vmovaps xmm0, xmm1
;;    2d  leave
;;    2e  ret
;;    2f  mov r11d, 4
;;    35  call qword ptr [r15+0x190]
;;    3c  jmp 0x1c
;; function 2 lane
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  sub dword ptr [r15+0x68], 0x50
;;    14  js 0x26
;;    1a  vpshufd xmm1, xmm0, 2
;;    1f  vmovaps xmm0, xmm1
;;    24  leave
;;    25  ret
;;    26  mov r11d, 8
;;    2c  call qword ptr [r15+0x190]
;;    33  jmp 0x1a
;; function 3 shuffle
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x50
;;     8  mov [rbp-8], rdi
;;     c  sub dword ptr [r15+0x68], 0x50
;;    14  js 0x25
;;    1a  vpunpcklbw xmm2, xmm0, xmm1
;;    1e  vmovaps xmm0, xmm2
;;    23  leave
;;    24  ret
;;    25  mov r11d, 0xc
;;    2b  call qword ptr [r15+0x190]
;;    32  jmp 0x1a
