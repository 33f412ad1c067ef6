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
;;     c  sub dword ptr [r15+0x68], 0x70
;;    11  js 0x51
;;    17  vcvttsd2si eax, xmm0
;;    1c  cmp eax, 1
;;    1f  jno short 0x4f
;;    21  vucomisd xmm0, xmm0
;;    26  jp 0x97
;;    2c  vmovsd xmm15, [slot]
;;    34  vucomisd xmm0, xmm15
;;    39  jbe 0x99
;;    3f  vxorps xmm15, xmm15, xmm15
;;    44  vucomisd xmm0, xmm15
;;    49  ja 0x99
;;    4f  leave
;;    50  ret
;;    51  mov r11d, [r15+0x6c]
;;    55  imul r11d, 0x19660d
;;    5c  add r11d, 0x3c6ef35f
;;    63  mov [r15+0x6c], r11d
;;    67  shr r11d, 0x11
;;    6b  add r11d, 0x8000
;;    72  add [r15+0x68], r11d
;;    76  mov r11, [rbp-8]
;;    7a  mov r11, [r11+0x10]
;;    7e  sub dword ptr [r11], 0xc000
;;    85  jns 0x17
;;    8b  call qword ptr [r15+0x110]
;;    92  jmp 0x17
;;    97  ud2 ; invalid conversion to integer
;;    99  ud2 ; integer overflow
;;    9b  int3
;;    9c  add [rax], al
;;    9e  and [rax], al
;;    a0  add [rax], al
;;    a2  loopne 0x65
;; function 1 saturate
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  sub dword ptr [r15+0x68], 0x70
;;    11  js 0x3d
;;    17  vcvttsd2si eax, xmm0
;;    1c  cmp eax, 1
;;    1f  jno short 0x3b
;;    21  vxorps xmm15, xmm15, xmm15
;;    26  vucomisd xmm0, xmm15
;;    2b  jnp short 0x34
;;    2d  mov eax, 0
;;    32  jmp short 0x3b
;;    34  jbe short 0x3b
;;    36  mov eax, 0x7fffffff
;;    3b  leave
;;    3c  ret
;;    3d  mov r11d, [r15+0x6c]
;;    41  imul r11d, 0x19660d
;;    48  add r11d, 0x3c6ef35f
;;    4f  mov [r15+0x6c], r11d
;;    53  shr r11d, 0x11
;;    57  add r11d, 0x8000
;;    5e  add [r15+0x68], r11d
;;    62  mov r11, [rbp-8]
;;    66  mov r11, [r11+0x10]
;;    6a  sub dword ptr [r11+4], 0xc000
;;    72  jns 0x17
;;    78  call qword ptr [r15+0x110]
;;    7f  jmp 0x17
;; function 2 minimum
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  sub dword ptr [r15+0x68], 0x70
;;    11  js 0x38
;;    17  vminss xmm2, xmm0, xmm1
;;    1c  vucomiss xmm0, xmm1
;;    21  jp short 0x2c
;;    23  jne short 0x31
;;    25  vorps xmm2, xmm0, xmm1
;;    2a  jmp short 0x31
;;    2c  vaddss xmm2, xmm0, xmm1
;;    31  vmovaps xmm0, xmm2
;;    36  leave
;;    37  ret
;;    38  mov r11d, [r15+0x6c]
;;    3c  imul r11d, 0x19660d
;;    43  add r11d, 0x3c6ef35f
;;    4a  mov [r15+0x6c], r11d
;;    4e  shr r11d, 0x11
;;    52  add r11d, 0x8000
;;    59  add [r15+0x68], r11d
;;    5d  mov r11, [rbp-8]
;;    61  mov r11, [r11+0x10]
;;    65  sub dword ptr [r11+8], 0xc000
;;    6d  jns 0x17
;;    73  call qword ptr [r15+0x110]
;;    7a  jmp 0x17
;; function 3 unsigned
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  sub dword ptr [r15+0x68], 0x70
;;    11  js 0x4a
;;    17  test rsi, rsi
;;    1a  js short 0x28
;;    1c  vxorps xmm0, xmm0, xmm0
;;    21  vcvtsi2sd xmm0, xmm0, rsi
;;    26  jmp short 0x48
;;    28  mov rax, rsi
;;    2b  mov r11, rsi
;;    2e  shr rax, 1
;;    32  and r11, 1
;;    36  or rax, r11
;;    39  vxorps xmm0, xmm0, xmm0
;;    3e  vcvtsi2sd xmm0, xmm0, rax
;;    43  vaddsd xmm0, xmm0, xmm0
;;    48  leave
;;    49  ret
;;    4a  mov r11d, [r15+0x6c]
;;    4e  imul r11d, 0x19660d
;;    55  add r11d, 0x3c6ef35f
;;    5c  mov [r15+0x6c], r11d
;;    60  shr r11d, 0x11
;;    64  add r11d, 0x8000
;;    6b  add [r15+0x68], r11d
;;    6f  mov r11, [rbp-8]
;;    73  mov r11, [r11+0x10]
;;    77  sub dword ptr [r11+0xc], 0xc000
;;    7f  jns 0x17
;;    85  call qword ptr [r15+0x110]
;;    8c  jmp 0x17
