;; What a try_table costs that nothing is thrown in: at the call a store of each local that is in a
;; register alone, and a jump past the handler. `$plain` is the same call without.
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
;;     e  sub dword ptr [r15+0x68], 0x50
;;    16  js 0x28
;;    1c  mov eax, 0x64
;;    21  xor edx, edx
;;    23  div esi ; integer divide by zero
;;    26  leave
;;    27  ret
;;    28  mov r11d, 0
;;    2e  call qword ptr [r15+0x190]
;;    35  jmp 0x1c
;; function 2 plain
;;     0  cmp rsp, [r15]
;;     3  jb 0x46
;;     9  push rbp
;;     a  mov rbp, rsp
;;     d  sub rsp, 0x40
;;    11  mov [rbp-8], rdi
;;    15  mov esi, esi
;;    17  mov edx, edx
;;    19  sub dword ptr [r15+0x68], 0x60
;;    21  js 0x58
;;    27  mov [rbp-0x40], edx
;;    2a  mov [rbp-0x38], esi
;;    2d  mov r11, [rbp-8]
;;    31  mov [r15+0x38], r11
;;    35  mov rdi, [r11+0x48]
;;    39  call qword ptr [r11+0x40]
;;    3d  mov eax, eax
;;    3f  mov ecx, [rbp-0x40]
;;    42  add eax, ecx
;;    44  leave
;;    45  ret
;;    46  push rbp
;;    47  mov rbp, rsp
;;    4a  call qword ptr [r15+0x100]
;;    51  pop rbp
;;    53  jmp 9
;;    58  mov r11d, 4
;;    5e  call qword ptr [r15+0x190]
;;    65  jmp 0x27
;; function 3 try
;;     0  cmp rsp, [r15]
;;     3  jb 0x5f
;;     9  push rbp
;;     a  mov rbp, rsp
;;     d  sub rsp, 0x50
;;    11  mov [rbp-8], rdi
;;    15  mov esi, esi
;;    17  mov edx, edx
;;    19  sub dword ptr [r15+0x68], 0x60
;;    21  js 0x71
;;    27  mov [rbp-0x40], edx
;;    2a  mov [rbp-0x38], esi
;;    2d  mov r11, [rbp-8]
;;    31  mov [r15+0x38], r11
;;    35  mov rdi, [r11+0x48]
;;    39  call qword ptr [r11+0x40]
;;    3d  mov eax, eax
;;    3f  jmp 0x58
;;    44  vmovsd xmm15, [rax+0x10]
;;    4b  vmovsd [rbp-0x48], xmm15
;;    50  mov eax, [rbp-0x48]
;;    53  jmp 0x58
;;    58  mov ecx, [rbp-0x40]
;;    5b  add eax, ecx
;;    5d  leave
;;    5e  ret
;;    5f  push rbp
;;    60  mov rbp, rsp
;;    63  call qword ptr [r15+0x100]
;;    6a  pop rbp
;;    6c  jmp 9
;;    71  mov r11d, 8
;;    77  call qword ptr [r15+0x190]
;;    7e  jmp 0x27
;; function 4 try_nothrow
;;     0  cmp rsp, [r15]
;;     3  jb 0x59
;;     9  push rbp
;;     a  mov rbp, rsp
;;     d  sub rsp, 0x50
;;    11  mov [rbp-8], rdi
;;    15  mov esi, esi
;;    17  mov edx, edx
;;    19  sub dword ptr [r15+0x68], 0x50
;;    21  js 0x6b
;;    27  mov [rbp-0x40], edx
;;    2a  mov [rbp-0x38], esi
;;    2d  mov rdi, [rbp-8]
;;    31  call qword ptr [slot]
;;    37  mov eax, eax
;;    39  jmp 0x52
;;    3e  vmovsd xmm15, [rax+0x10]
;;    45  vmovsd [rbp-0x48], xmm15
;;    4a  mov eax, [rbp-0x48]
;;    4d  jmp 0x52
;;    52  mov ecx, [rbp-0x40]
;;    55  add eax, ecx
;;    57  leave
;;    58  ret
;;    59  push rbp
;;    5a  mov rbp, rsp
;;    5d  call qword ptr [r15+0x100]
;;    64  pop rbp
;;    66  jmp 9
;;    6b  mov r11d, 0xc
;;    71  call qword ptr [r15+0x190]
;;    78  jmp 0x27
;; function 5 local
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  sub dword ptr [r15+0x68], 0x50
;;    16  js 0x53
;;    1c  test esi, esi
;;    1e  jne 0x2e
;;    24  mov eax, 7
;;    29  jmp 0x51
;;    2e  mov rax, rsi
;;    31  jmp 0x51
;;    36  vmovsd xmm15, [rax+0x10]
;;    3d  vmovsd [rbp-0x40], xmm15
;;    42  mov eax, [rbp-0x40]
;;    45  mov esi, [rbp-0x38]
;;    48  mov rdi, [rbp-8]
;;    4c  jmp 0x51
;;    51  leave
;;    52  ret
;;    53  mov r11d, 0x10
;;    59  call qword ptr [r15+0x190]
;;    60  jmp 0x1c
