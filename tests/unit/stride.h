/* stride.h — for one thread and thousands of runs: the sanitizers, which make them eight and fifteen times slower, look at each
 * STRIDEth. */
#ifndef TEST_STRIDE_H
#define TEST_STRIDE_H

#if defined(__SANITIZE_THREAD__)
enum { STRIDE = 7 };
#elif defined(__SANITIZE_ADDRESS__)
enum { STRIDE = 3 };
#else
enum { STRIDE = 1 };
#endif

#endif
