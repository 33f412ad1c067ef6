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
;;    11  sub dword ptr [r11], 8
;;    1a  js 0x2b
;;    20  vpaddd xmm2, xmm0, xmm1
;;    24  vmovaps xmm0, xmm2
;;    29  leave
;;    2a  ret
;;    2b  call qword ptr [r15+0x100]
;;    33  jmp 0x20
;; function 1 loaded
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x50
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     f  mov r11, [rdi+0x10]
;;    14  sub dword ptr [r11+4], 8
;;    1d  js 0x38
;;    23  mov rax, [rdi]
;;    28  vmovdqu xmm1, [rax+rsi] ; out of bounds memory access
;;    2d  vmulps xmm1, xmm0, xmm1
;;    31  vmovaps xmm0, xmm1
;;    36  leave
;;    37  ret
;;    38  call qword ptr [r15+0x100]
;;    40  jmp 0x23
;; function 2 lane
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov r11, [rdi+0x10]
;;    11  sub dword ptr [r11+8], 8
;;    1a  js 0x2c
;;    20  vpshufd xmm1, xmm0, 2
;;    25  vmovaps xmm0, xmm1
;;    2a  leave
;;    2b  ret
;;    2c  call qword ptr [r15+0x100]
;;    34  jmp 0x20
;; function 3 shuffle
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x50
;;     8  mov [rbp-8], rdi
;;     c  mov r11, [rdi+0x10]
;;    11  sub dword ptr [r11+0xc], 8
;;    1a  js 0x2b
;;    20  vpunpcklbw xmm2, xmm0, xmm1
;;    24  vmovaps xmm0, xmm2
;;    29  leave
;;    2a  ret
;;    2b  call qword ptr [r15+0x100]
;;    33  jmp 0x20
