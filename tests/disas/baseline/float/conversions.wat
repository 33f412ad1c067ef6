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
;;     c  sub dword ptr [r15+0x68], 0x80
;;    14  js 0x54
;;    1a  vcvttsd2si eax, xmm0
;;    1f  cmp eax, 1
;;    22  jno short 0x52
;;    24  vucomisd xmm0, xmm0
;;    29  jp 0x66
;;    2f  vmovsd xmm15, [slot]
;;    37  vucomisd xmm0, xmm15
;;    3c  jbe 0x68
;;    42  vxorps xmm15, xmm15, xmm15
;;    47  vucomisd xmm0, xmm15
;;    4c  ja 0x68
;;    52  leave
;;    53  ret
;;    54  mov r11d, 0
;;    5a  call qword ptr [r15+0x190]
;;    61  jmp 0x1a
;;    66  ud2 ; invalid conversion to integer
;;    68  ud2 ; integer overflow
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
;;     c  sub dword ptr [r15+0x68], 0x60
;;    14  js 0x40
;;    1a  vcvttsd2si eax, xmm0
;;    1f  cmp eax, 1
;;    22  jno short 0x3e
;;    24  vxorps xmm15, xmm15, xmm15
;;    29  vucomisd xmm0, xmm15
;;    2e  jnp short 0x37
;;    30  mov eax, 0
;;    35  jmp short 0x3e
;;    37  jbe short 0x3e
;;    39  mov eax, 0x7fffffff
;;    3e  leave
;;    3f  ret
;;    40  mov r11d, 4
;;    46  call qword ptr [r15+0x190]
;;    4d  jmp 0x1a
;; function 2 minimum
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  sub dword ptr [r15+0x68], 0x60
;;    14  js 0x3b
;;    1a  vminss xmm2, xmm0, xmm1
;;    1f  vucomiss xmm0, xmm1
;;    24  jp short 0x2f
;;    26  jne short 0x34
;;    28  vorps xmm2, xmm0, xmm1
;;    2d  jmp short 0x34
;;    2f  vaddss xmm2, xmm0, xmm1
;;    34  vmovaps xmm0, xmm2
;;    39  leave
;;    3a  ret
;;    3b  mov r11d, 8
;;    41  call qword ptr [r15+0x190]
;;    48  jmp 0x1a
;; function 3 unsigned
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  sub dword ptr [r15+0x68], 0x70
;;    14  js 0x4d
;;    1a  test rsi, rsi
;;    1d  js short 0x2b
;;    1f  vxorps xmm0, xmm0, xmm0
;;    24  vcvtsi2sd xmm0, xmm0, rsi
;;    29  jmp short 0x4b
;;    2b  mov rax, rsi
;;    2e  mov r11, rsi
;;    31  shr rax, 1
;;    35  and r11, 1
;;    39  or rax, r11
;;    3c  vxorps xmm0, xmm0, xmm0
;;    41  vcvtsi2sd xmm0, xmm0, rax
;;    46  vaddsd xmm0, xmm0, xmm0
;;    4b  leave
;;    4c  ret
;;    4d  mov r11d, 0xc
;;    53  call qword ptr [r15+0x190]
;;    5a  jmp 0x1a
