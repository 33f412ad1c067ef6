;; A counted loop keeps its locals in registers; an empty loop still has its poll.
(module
  (func $count (param i32) (result i32) (local i32)
    (loop $again
      (local.set 1 (i32.add (local.get 1) (local.get 0)))
      (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1))
  (func $empty (loop $again (br $again))))
;; function 0 count
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x50
;;     8  mov [rbp-8], rdi
;;     c  mov [rbp-0x10], rbx
;;    10  mov esi, esi
;;    12  vxorps xmm15, xmm15, xmm15
;;    17  vmovsd [rbp-0x40], xmm15
;;    1c  mov r11, [rdi+0x10]
;;    20  sub dword ptr [r11], 0x71
;;    24  mov eax, [r11]
;;    27  js 0x5c
;;    2d  and eax, 0x7fff
;;    33  mov r8, rax
;;    36  mov ebx, [rbp-0x40]
;;    39  sub r8d, 0x10
;;    40  jb 0x68
;;    46  add ebx, esi
;;    48  sub esi, 1
;;    4b  test esi, esi
;;    4d  jne 0x39
;;    53  mov rax, rbx
;;    56  mov rbx, [rbp-0x10]
;;    5a  leave
;;    5b  ret
;;    5c  call qword ptr [r15+0x110]
;;    63  jmp 0x2d
;;    68  add r8d, 0x8000
;;    6f  mov r11, [rbp-8]
;;    73  mov r11, [r11+0x10]
;;    77  sub dword ptr [r11], 0x8000
;;    7e  jns 0x46
;;    84  call qword ptr [r15+0x110]
;;    8b  jmp 0x46
;; function 1 empty
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov [rbp-0x10], rbx
;;    10  mov r11, [rdi+0x10]
;;    14  sub dword ptr [r11+4], 0x71
;;    19  mov eax, [r11+4]
;;    1d  js 0x3d
;;    23  and eax, 0x7fff
;;    29  mov rbx, rax
;;    2c  sub ebx, 0x10
;;    32  jb 0x49
;;    38  jmp 0x2c
;;    3d  call qword ptr [r15+0x110]
;;    44  jmp 0x23
;;    49  add ebx, 0x8000
;;    4f  mov r11, [rbp-8]
;;    53  mov r11, [r11+0x10]
;;    57  sub dword ptr [r11+4], 0x8000
;;    5f  jns 0x38
;;    65  call qword ptr [r15+0x110]
;;    6c  jmp 0x38
