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
;;    25  mov r11d, [r15+0x6c]
;;    29  imul r11d, 0x19660d
;;    30  add r11d, 0x3c6ef35f
;;    37  mov [r15+0x6c], r11d
;;    3b  shr r11d, 0x11
;;    3f  add r11d, 0x8000
;;    46  add [r15+0x68], r11d
;;    4a  mov r11, [rbp-8]
;;    4e  mov r11, [r11+0x10]
;;    52  sub dword ptr [r11], 0xc000
;;    59  jns 0x1a
;;    5f  call qword ptr [r15+0x110]
;;    66  jmp 0x1a
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
;;    2f  mov r11d, [r15+0x6c]
;;    33  imul r11d, 0x19660d
;;    3a  add r11d, 0x3c6ef35f
;;    41  mov [r15+0x6c], r11d
;;    45  shr r11d, 0x11
;;    49  add r11d, 0x8000
;;    50  add [r15+0x68], r11d
;;    54  mov r11, [rbp-8]
;;    58  mov r11, [r11+0x10]
;;    5c  sub dword ptr [r11+4], 0xc000
;;    64  jns 0x1c
;;    6a  call qword ptr [r15+0x110]
;;    71  jmp 0x1c
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
;;    26  mov r11d, [r15+0x6c]
;;    2a  imul r11d, 0x19660d
;;    31  add r11d, 0x3c6ef35f
;;    38  mov [r15+0x6c], r11d
;;    3c  shr r11d, 0x11
;;    40  add r11d, 0x8000
;;    47  add [r15+0x68], r11d
;;    4b  mov r11, [rbp-8]
;;    4f  mov r11, [r11+0x10]
;;    53  sub dword ptr [r11+8], 0xc000
;;    5b  jns 0x1a
;;    61  call qword ptr [r15+0x110]
;;    68  jmp 0x1a
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
;;    25  mov r11d, [r15+0x6c]
;;    29  imul r11d, 0x19660d
;;    30  add r11d, 0x3c6ef35f
;;    37  mov [r15+0x6c], r11d
;;    3b  shr r11d, 0x11
;;    3f  add r11d, 0x8000
;;    46  add [r15+0x68], r11d
;;    4a  mov r11, [rbp-8]
;;    4e  mov r11, [r11+0x10]
;;    52  sub dword ptr [r11+0xc], 0xc000
;;    5a  jns 0x1a
;;    60  call qword ptr [r15+0x110]
;;    67  jmp 0x1a
