;; Conversions that trap and conversions that saturate.
(module
  (func $truncate (param f64) (result i32) (i32.trunc_f64_s (local.get 0)))
  (func $saturate (param f64) (result i32) (i32.trunc_sat_f64_s (local.get 0)))
  (func $minimum (param f32 f32) (result f32) (f32.min (local.get 0) (local.get 1)))
  (func $unsigned (param i64) (result f64) (f64.convert_i64_u (local.get 0))))
;; function 0 truncate
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov r11, [rdi+0x10]
;;    10  sub dword ptr [r11], 8
;;    17  js 0x57
;;    1d  vcvttsd2si eax, xmm0
;;    22  cmp eax, 1
;;    25  jno short 0x55
;;    27  vucomisd xmm0, xmm0
;;    2c  jp 0x63
;;    32  vmovsd xmm15, [slot]
;;    3a  vucomisd xmm0, xmm15
;;    3f  jbe 0x65
;;    45  vxorps xmm15, xmm15, xmm15
;;    4a  vucomisd xmm0, xmm15
;;    4f  ja 0x65
;;    55  leave
;;    56  ret
;;    57  call qword ptr [r15+0x108]
;;    5e  jmp 0x1d
;;    63  ud2 ; invalid conversion to integer
;;    65  ud2 ; integer overflow
;;    67  int3
;;    68  int3
;;    69  int3
;;    6a  int3
;;    6b  int3
;;    6c  add [rax], al
;;    6e  and [rax], al
;;    70  add [rax], al
;;    72  loopne 0x35
;; function 1 saturate
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov r11, [rdi+0x10]
;;    10  sub dword ptr [r11+4], 8
;;    18  js 0x44
;;    1e  vcvttsd2si eax, xmm0
;;    23  cmp eax, 1
;;    26  jno short 0x42
;;    28  vxorps xmm15, xmm15, xmm15
;;    2d  vucomisd xmm0, xmm15
;;    32  jnp short 0x3b
;;    34  mov eax, 0
;;    39  jmp short 0x42
;;    3b  jbe short 0x42
;;    3d  mov eax, 0x7fffffff
;;    42  leave
;;    43  ret
;;    44  call qword ptr [r15+0x108]
;;    4b  jmp 0x1e
;; function 2 minimum
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov r11, [rdi+0x10]
;;    10  sub dword ptr [r11+8], 8
;;    18  js 0x3f
;;    1e  vminss xmm2, xmm0, xmm1
;;    23  vucomiss xmm0, xmm1
;;    28  jp short 0x33
;;    2a  jne short 0x38
;;    2c  vorps xmm2, xmm0, xmm1
;;    31  jmp short 0x38
;;    33  vaddss xmm2, xmm0, xmm1
;;    38  vmovaps xmm0, xmm2
;;    3d  leave
;;    3e  ret
;;    3f  call qword ptr [r15+0x108]
;;    46  jmp 0x1e
;; function 3 unsigned
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov r11, [rdi+0x10]
;;    10  sub dword ptr [r11+0xc], 8
;;    18  js 0x51
;;    1e  test rsi, rsi
;;    21  js short 0x2f
;;    23  vxorps xmm0, xmm0, xmm0
;;    28  vcvtsi2sd xmm0, xmm0, rsi
;;    2d  jmp short 0x4f
;;    2f  mov rax, rsi
;;    32  mov r11, rsi
;;    35  shr rax, 1
;;    39  and r11, 1
;;    3d  or rax, r11
;;    40  vxorps xmm0, xmm0, xmm0
;;    45  vcvtsi2sd xmm0, xmm0, rax
;;    4a  vaddsd xmm0, xmm0, xmm0
;;    4f  leave
;;    50  ret
;;    51  call qword ptr [r15+0x108]
;;    58  jmp 0x1e
