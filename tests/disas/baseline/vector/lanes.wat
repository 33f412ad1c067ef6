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
;;     c  mov r11, [rdi+0x10]
;;    10  sub dword ptr [r11], 8
;;    17  js 0x28
;;    1d  vpaddd xmm2, xmm0, xmm1
;;    21  vmovaps xmm0, xmm2
;;    26  leave
;;    27  ret
;;    28  call qword ptr [r15+0x108]
;;    2f  jmp 0x1d
;; function 1 loaded
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x50
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  mov r11, [rdi+0x10]
;;    12  sub dword ptr [r11+4], 8
;;    1a  js 0x33
;;    20  mov rax, [rdi]
;;    23  vmovdqu xmm1, [rax+rsi] ; out of bounds memory access
;;    28  vmulps xmm1, xmm0, xmm1
;;    2c  vmovaps xmm0, xmm1
;;    31  leave
;;    32  ret
;;    33  call qword ptr [r15+0x108]
;;    3a  jmp 0x20
;; function 2 lane
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov r11, [rdi+0x10]
;;    10  sub dword ptr [r11+8], 8
;;    18  js 0x2a
;;    1e  vpshufd xmm1, xmm0, 2
;;    23  vmovaps xmm0, xmm1
;;    28  leave
;;    29  ret
;;    2a  call qword ptr [r15+0x108]
;;    31  jmp 0x1e
;; function 3 shuffle
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x50
;;     8  mov [rbp-8], rdi
;;     c  mov r11, [rdi+0x10]
;;    10  sub dword ptr [r11+0xc], 8
;;    18  js 0x29
;;    1e  vpunpcklbw xmm2, xmm0, xmm1
;;    22  vmovaps xmm0, xmm2
;;    27  leave
;;    28  ret
;;    29  call qword ptr [r15+0x108]
;;    30  jmp 0x1e
