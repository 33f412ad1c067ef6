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
;;    29  jp 0x9a
;;    2f  vmovsd xmm15, [slot]
;;    37  vucomisd xmm0, xmm15
;;    3c  jbe 0x9c
;;    42  vxorps xmm15, xmm15, xmm15
;;    47  vucomisd xmm0, xmm15
;;    4c  ja 0x9c
;;    52  leave
;;    53  ret
;;    54  mov r11d, [r15+0x6c]
;;    58  imul r11d, 0x19660d
;;    5f  add r11d, 0x3c6ef35f
;;    66  mov [r15+0x6c], r11d
;;    6a  shr r11d, 0x11
;;    6e  add r11d, 0x8000
;;    75  add [r15+0x68], r11d
;;    79  mov r11, [rbp-8]
;;    7d  mov r11, [r11+0x10]
;;    81  sub dword ptr [r11], 0xc000
;;    88  jns 0x1a
;;    8e  call qword ptr [r15+0x110]
;;    95  jmp 0x1a
;;    9a  ud2 ; invalid conversion to integer
;;    9c  ud2 ; integer overflow
;;    9e  int3
;;    9f  int3
;;    a0  int3
;;    a1  int3
;;    a2  int3
;;    a3  int3
;;    a4  int3
;;    a5  int3
;;    a6  int3
;;    a7  int3
;;    a8  int3
;;    a9  int3
;;    aa  int3
;;    ab  int3
;;    ac  add [rax], al
;;    ae  and [rax], al
;;    b0  add [rax], al
;;    b2  loopne 0x75
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
;;    40  mov r11d, [r15+0x6c]
;;    44  imul r11d, 0x19660d
;;    4b  add r11d, 0x3c6ef35f
;;    52  mov [r15+0x6c], r11d
;;    56  shr r11d, 0x11
;;    5a  add r11d, 0x8000
;;    61  add [r15+0x68], r11d
;;    65  mov r11, [rbp-8]
;;    69  mov r11, [r11+0x10]
;;    6d  sub dword ptr [r11+4], 0xc000
;;    75  jns 0x1a
;;    7b  call qword ptr [r15+0x110]
;;    82  jmp 0x1a
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
;;    3b  mov r11d, [r15+0x6c]
;;    3f  imul r11d, 0x19660d
;;    46  add r11d, 0x3c6ef35f
;;    4d  mov [r15+0x6c], r11d
;;    51  shr r11d, 0x11
;;    55  add r11d, 0x8000
;;    5c  add [r15+0x68], r11d
;;    60  mov r11, [rbp-8]
;;    64  mov r11, [r11+0x10]
;;    68  sub dword ptr [r11+8], 0xc000
;;    70  jns 0x1a
;;    76  call qword ptr [r15+0x110]
;;    7d  jmp 0x1a
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
;;    4d  mov r11d, [r15+0x6c]
;;    51  imul r11d, 0x19660d
;;    58  add r11d, 0x3c6ef35f
;;    5f  mov [r15+0x6c], r11d
;;    63  shr r11d, 0x11
;;    67  add r11d, 0x8000
;;    6e  add [r15+0x68], r11d
;;    72  mov r11, [rbp-8]
;;    76  mov r11, [r11+0x10]
;;    7a  sub dword ptr [r11+0xc], 0xc000
;;    82  jns 0x1a
;;    88  call qword ptr [r15+0x110]
;;    8f  jmp 0x1a
