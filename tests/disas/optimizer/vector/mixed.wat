;; Vectors stay in registers, with the constants behind the code.
(module
  (memory 1)
  (func $mixed (param i32 v128) (result v128)
    (i8x16.shuffle 0 17 2 19 4 21 6 23 8 25 10 27 12 29 14 31
      (i32x4.add (v128.load (local.get 0)) (local.get 1))
      (f32x4.mul (v128.const f32x4 1 2 3 4) (f32x4.splat (f32.load offset=16 (local.get 0))))))
  (func $test (param v128) (result i32)
    (i32.and (i8x16.bitmask (local.get 0)) (v128.any_true (local.get 0)))))
;; function 0 mixed
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  mov rax, [rdi]
;;     7  mov ecx, esi
;;     9  vmovdqu xmm1, [rax+rcx] ; out of bounds memory access
;;     e  vpaddd xmm0, xmm1, xmm0
;;    12  vmovups xmm1, [slot]
;;    1a  vbroadcastss xmm2, [rax+rcx+0x10] ; out of bounds memory access
;;    21  vmulps xmm1, xmm1, xmm2
;;    25  vpshufb xmm0, xmm0, [slot]
;;    2e  vpshufb xmm1, xmm1, [slot]
;;    37  vpor xmm0, xmm0, xmm1
;;    3b  mov rsp, rbp
;;    3e  pop rbp
;;    3f  ret
;;    40  add [rax], al
;;    42  cmp byte ptr [rdi], 0
;;    45  add [rax], al
;;    47  add [rax], al
;;    4a  add [rax], al
;;    4e  add byte ptr [rax], 0x80
;;    52  add al, [rax-0x7ff97ffc]
;;    58  or [rax-0x7ff37ff6], al
;;    5e  (bad)
;;    60  add byte ptr [rcx], 0x80
;;    63  add eax, [rax-0x7ff87ffb]
;;    69  or [rax-0x7ff27ff5], eax
;;    6f  (bad)
;; function 1 test
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  vpmovmskb eax, xmm0
;;     8  vptest xmm0, xmm0
;;     d  setne sil
;;    11  movzx esi, sil
;;    15  and eax, esi
;;    17  mov rsp, rbp
;;    1a  pop rbp
;;    1b  ret
