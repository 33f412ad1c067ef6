;; What a try_table costs that nothing is thrown in: at the call a jump past the handler, at entry and
;; exit the callee-saved registers, which a throw does not restore. `$plain` is the same call without.
;; `$local` saves none: nothing throws to its handler from another function.
(module
  (import "" "f" (func $f (param i32) (result i32)))
  (tag $e (param i32))
  (func $nothrow (param i32) (result i32)
    (i32.div_u (i32.const 100) (local.get 0)))
  (func $plain (param i32 i32) (result i32)
    (i32.add (call $f (local.get 0)) (local.get 1)))
  (func $try (param i32 i32) (result i32)
    (block $caught (result i32)
      (try_table (result i32) (catch $e $caught) (call $f (local.get 0))))
    (i32.add (local.get 1)))
  (func $try_nothrow (param i32 i32) (result i32)
    (block $caught (result i32)
      (try_table (result i32) (catch $e $caught) (call $nothrow (local.get 0))))
    (i32.add (local.get 1)))
  (func $local (param i32) (result i32)
    (block $caught (result i32)
      (try_table (result i32) (catch $e $caught)
        (if (i32.eqz (local.get 0)) (then (throw $e (i32.const 7))))
        (local.get 0)))))
;; function 1 nothrow
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  sub dword ptr [r15+0x68], 0x70
;;    13  js 0x25
;;    19  mov eax, 0x64
;;    1e  xor edx, edx
;;    20  div esi ; integer divide by zero
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
;;    59  jns 0x19
;;    5f  call qword ptr [r15+0x110]
;;    66  jmp 0x19
;; function 2 plain
;;     0  cmp rsp, [r15]
;;     3  jb 0x43
;;     9  push rbp
;;     a  mov rbp, rsp
;;     d  sub rsp, 0x40
;;    11  mov [rbp-8], rdi
;;    15  mov esi, esi
;;    17  mov edx, edx
;;    19  sub dword ptr [r15+0x68], 0x70
;;    1e  js 0x55
;;    24  mov [rbp-0x40], edx
;;    27  mov [rbp-0x38], esi
;;    2a  mov r11, [rbp-8]
;;    2e  mov [r15+0x38], r11
;;    32  mov rdi, [r11+0x48]
;;    36  call qword ptr [r11+0x40]
;;    3a  mov eax, eax
;;    3c  mov ecx, [rbp-0x40]
;;    3f  add eax, ecx
;;    41  leave
;;    42  ret
;;    43  push rbp
;;    44  mov rbp, rsp
;;    47  call qword ptr [r15+0x100]
;;    4e  pop rbp
;;    50  jmp 9
;;    55  mov r11d, [r15+0x6c]
;;    59  imul r11d, 0x19660d
;;    60  add r11d, 0x3c6ef35f
;;    67  mov [r15+0x6c], r11d
;;    6b  shr r11d, 0x11
;;    6f  add r11d, 0x8000
;;    76  add [r15+0x68], r11d
;;    7a  mov r11, [rbp-8]
;;    7e  mov r11, [r11+0x10]
;;    82  sub dword ptr [r11+4], 0xc000
;;    8a  jns 0x24
;;    90  call qword ptr [r15+0x110]
;;    97  jmp 0x24
;; function 3 try
;;     0  cmp rsp, [r15]
;;     3  jb 0x5c
;;     9  push rbp
;;     a  mov rbp, rsp
;;     d  sub rsp, 0x50
;;    11  mov [rbp-8], rdi
;;    15  mov esi, esi
;;    17  mov edx, edx
;;    19  sub dword ptr [r15+0x68], 0x70
;;    1e  js 0x6e
;;    24  mov [rbp-0x40], edx
;;    27  mov [rbp-0x38], esi
;;    2a  mov r11, [rbp-8]
;;    2e  mov [r15+0x38], r11
;;    32  mov rdi, [r11+0x48]
;;    36  call qword ptr [r11+0x40]
;;    3a  mov eax, eax
;;    3c  jmp 0x55
;;    41  vmovsd xmm15, [rax+0x10]
;;    48  vmovsd [rbp-0x48], xmm15
;;    4d  mov eax, [rbp-0x48]
;;    50  jmp 0x55
;;    55  mov ecx, [rbp-0x40]
;;    58  add eax, ecx
;;    5a  leave
;;    5b  ret
;;    5c  push rbp
;;    5d  mov rbp, rsp
;;    60  call qword ptr [r15+0x100]
;;    67  pop rbp
;;    69  jmp 9
;;    6e  mov r11d, [r15+0x6c]
;;    72  imul r11d, 0x19660d
;;    79  add r11d, 0x3c6ef35f
;;    80  mov [r15+0x6c], r11d
;;    84  shr r11d, 0x11
;;    88  add r11d, 0x8000
;;    8f  add [r15+0x68], r11d
;;    93  mov r11, [rbp-8]
;;    97  mov r11, [r11+0x10]
;;    9b  sub dword ptr [r11+8], 0xc000
;;    a3  jns 0x24
;;    a9  call qword ptr [r15+0x110]
;;    b0  jmp 0x24
;; function 4 try_nothrow
;;     0  cmp rsp, [r15]
;;     3  jb 0x56
;;     9  push rbp
;;     a  mov rbp, rsp
;;     d  sub rsp, 0x50
;;    11  mov [rbp-8], rdi
;;    15  mov esi, esi
;;    17  mov edx, edx
;;    19  sub dword ptr [r15+0x68], 0x70
;;    1e  js 0x68
;;    24  mov [rbp-0x40], edx
;;    27  mov [rbp-0x38], esi
;;    2a  mov rdi, [rbp-8]
;;    2e  call qword ptr [slot]
;;    34  mov eax, eax
;;    36  jmp 0x4f
;;    3b  vmovsd xmm15, [rax+0x10]
;;    42  vmovsd [rbp-0x48], xmm15
;;    47  mov eax, [rbp-0x48]
;;    4a  jmp 0x4f
;;    4f  mov ecx, [rbp-0x40]
;;    52  add eax, ecx
;;    54  leave
;;    55  ret
;;    56  push rbp
;;    57  mov rbp, rsp
;;    5a  call qword ptr [r15+0x100]
;;    61  pop rbp
;;    63  jmp 9
;;    68  mov r11d, [r15+0x6c]
;;    6c  imul r11d, 0x19660d
;;    73  add r11d, 0x3c6ef35f
;;    7a  mov [r15+0x6c], r11d
;;    7e  shr r11d, 0x11
;;    82  add r11d, 0x8000
;;    89  add [r15+0x68], r11d
;;    8d  mov r11, [rbp-8]
;;    91  mov r11, [r11+0x10]
;;    95  sub dword ptr [r11+0xc], 0xc000
;;    9d  jns 0x24
;;    a3  call qword ptr [r15+0x110]
;;    aa  jmp 0x24
;; function 5 local
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  sub dword ptr [r15+0x68], 0x70
;;    13  js 0x50
;;    19  test esi, esi
;;    1b  jne 0x2b
;;    21  mov eax, 7
;;    26  jmp 0x4e
;;    2b  mov rax, rsi
;;    2e  jmp 0x4e
;;    33  vmovsd xmm15, [rax+0x10]
;;    3a  vmovsd [rbp-0x40], xmm15
;;    3f  mov eax, [rbp-0x40]
;;    42  mov esi, [rbp-0x38]
;;    45  mov rdi, [rbp-8]
;;    49  jmp 0x4e
;;    4e  leave
;;    4f  ret
;;    50  mov r11d, [r15+0x6c]
;;    54  imul r11d, 0x19660d
;;    5b  add r11d, 0x3c6ef35f
;;    62  mov [r15+0x6c], r11d
;;    66  shr r11d, 0x11
;;    6a  add r11d, 0x8000
;;    71  add [r15+0x68], r11d
;;    75  mov r11, [rbp-8]
;;    79  mov r11, [r11+0x10]
;;    7d  sub dword ptr [r11+0x10], 0xc000
;;    85  jns 0x19
;;    8b  call qword ptr [r15+0x110]
;;    92  jmp 0x19
