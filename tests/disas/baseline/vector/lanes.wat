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
;;     c  sub dword ptr [r15+0x68], 0x70
;;    11  js 0x22
;;    17  vpaddd xmm2, xmm0, xmm1
;;    1b  vmovaps xmm0, xmm2
;;    20  leave
;;    21  ret
;;    22  mov r11d, [r15+0x6c]
;;    26  imul r11d, 0x19660d
;;    2d  add r11d, 0x3c6ef35f
;;    34  mov [r15+0x6c], r11d
;;    38  shr r11d, 0x11
;;    3c  add r11d, 0x8000
;;    43  add [r15+0x68], r11d
;;    47  mov r11, [rbp-8]
;;    4b  mov r11, [r11+0x10]
;;    4f  sub dword ptr [r11], 0xc000
;;    56  jns 0x17
;;    5c  call qword ptr [r15+0x110]
;;    63  jmp 0x17
;; function 1 loaded
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x50
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  sub dword ptr [r15+0x68], 0x70
;;    13  js 0x2c
;;    19  mov rax, [rdi]
;;    1c  vmovdqu xmm1, [rax+rsi] ; out of bounds memory access
;;    21  vmulps xmm1, xmm0, xmm1
;;    25  vmovaps xmm0, xmm1
;;    2a  leave
;;    2b  ret
;;    2c  mov r11d, [r15+0x6c]
;;    30  imul r11d, 0x19660d
;;    37  add r11d, 0x3c6ef35f
;;    3e  mov [r15+0x6c], r11d
;;    42  shr r11d, 0x11
;;    46  add r11d, 0x8000
;;    4d  add [r15+0x68], r11d
;;    51  mov r11, [rbp-8]
;;    55  mov r11, [r11+0x10]
;;    59  sub dword ptr [r11+4], 0xc000
;;    61  jns 0x19
;;    67  call qword ptr [r15+0x110]
;;    6e  jmp 0x19
;; function 2 lane
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  sub dword ptr [r15+0x68], 0x70
;;    11  js 0x23
;;    17  vpshufd xmm1, xmm0, 2
;;    1c  vmovaps xmm0, xmm1
;;    21  leave
;;    22  ret
;;    23  mov r11d, [r15+0x6c]
;;    27  imul r11d, 0x19660d
;;    2e  add r11d, 0x3c6ef35f
;;    35  mov [r15+0x6c], r11d
;;    39  shr r11d, 0x11
;;    3d  add r11d, 0x8000
;;    44  add [r15+0x68], r11d
;;    48  mov r11, [rbp-8]
;;    4c  mov r11, [r11+0x10]
;;    50  sub dword ptr [r11+8], 0xc000
;;    58  jns 0x17
;;    5e  call qword ptr [r15+0x110]
;;    65  jmp 0x17
;; function 3 shuffle
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x50
;;     8  mov [rbp-8], rdi
;;     c  sub dword ptr [r15+0x68], 0x70
;;    11  js 0x22
;;    17  vpunpcklbw xmm2, xmm0, xmm1
;;    1b  vmovaps xmm0, xmm2
;;    20  leave
;;    21  ret
;;    22  mov r11d, [r15+0x6c]
;;    26  imul r11d, 0x19660d
;;    2d  add r11d, 0x3c6ef35f
;;    34  mov [r15+0x6c], r11d
;;    38  shr r11d, 0x11
;;    3c  add r11d, 0x8000
;;    43  add [r15+0x68], r11d
;;    47  mov r11, [rbp-8]
;;    4b  mov r11, [r11+0x10]
;;    4f  sub dword ptr [r11+0xc], 0xc000
;;    57  jns 0x17
;;    5d  call qword ptr [r15+0x110]
;;    64  jmp 0x17
