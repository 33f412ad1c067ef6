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
;;    11  sub dword ptr [r11], 8
;;    1a  js 0x5b
;;    20  vcvttsd2si eax, xmm0
;;    25  cmp eax, 1
;;    29  jno short 0x59
;;    2b  vucomisd xmm0, xmm0
;;    30  jp 0x68
;;    36  vmovsd xmm15, [slot]
;;    3e  vucomisd xmm0, xmm15
;;    43  jbe 0x6a
;;    49  vxorps xmm15, xmm15, xmm15
;;    4e  vucomisd xmm0, xmm15
;;    53  ja 0x6a
;;    59  leave
;;    5a  ret
;;    5b  call qword ptr [r15+0x100]
;;    63  jmp 0x20
;;    68  ud2 ; invalid conversion to integer
;;    6a  ud2 ; integer overflow
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
;;    11  sub dword ptr [r11+4], 8
;;    1a  js 0x49
;;    20  vcvttsd2si eax, xmm0
;;    25  cmp eax, 1
;;    29  jno short 0x47
;;    2b  vxorps xmm15, xmm15, xmm15
;;    30  vucomisd xmm0, xmm15
;;    35  jnp short 0x3f
;;    37  mov eax, 0
;;    3d  jmp short 0x47
;;    3f  jbe short 0x47
;;    41  mov eax, 0x7fffffff
;;    47  leave
;;    48  ret
;;    49  call qword ptr [r15+0x100]
;;    51  jmp 0x20
;; function 2 minimum
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov r11, [rdi+0x10]
;;    11  sub dword ptr [r11+8], 8
;;    1a  js 0x41
;;    20  vminss xmm2, xmm0, xmm1
;;    25  vucomiss xmm0, xmm1
;;    2a  jp short 0x35
;;    2c  jne short 0x3a
;;    2e  vorps xmm2, xmm0, xmm1
;;    33  jmp short 0x3a
;;    35  vaddss xmm2, xmm0, xmm1
;;    3a  vmovaps xmm0, xmm2
;;    3f  leave
;;    40  ret
;;    41  call qword ptr [r15+0x100]
;;    49  jmp 0x20
;; function 3 unsigned
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov r11, [rdi+0x10]
;;    11  sub dword ptr [r11+0xc], 8
;;    1a  js 0x53
;;    20  test rsi, rsi
;;    23  js short 0x31
;;    25  vxorps xmm0, xmm0, xmm0
;;    2a  vcvtsi2sd xmm0, xmm0, rsi
;;    2f  jmp short 0x51
;;    31  mov rax, rsi
;;    34  mov r11, rsi
;;    37  shr rax, 1
;;    3b  and r11, 1
;;    3f  or rax, r11
;;    42  vxorps xmm0, xmm0, xmm0
;;    47  vcvtsi2sd xmm0, xmm0, rax
;;    4c  vaddsd xmm0, xmm0, xmm0
;;    51  leave
;;    52  ret
;;    53  call qword ptr [r15+0x100]
;;    5b  jmp 0x20
