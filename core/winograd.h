/* winograd.h - between conv.c and winograd.c. */
#ifndef ENGRAM_WINOGRAD_H
#define ENGRAM_WINOGRAD_H
#include "internal.h"

/* True when a convolution of these sizes (source, weight and target of the pass) is to be tried here. */
bool eg_winograd_fits(const int64_t *source, const int64_t *weight, const int64_t *target, const eg_conv *how);

/* eg_conv2d and its adjoints, for checked arguments that fit. `done` is false, and nothing done, when a thread would need
 * too much memory. */
eg_status eg_winograd(eg_tensor *out, const eg_tensor *in, const eg_tensor *weight, const eg_tensor *bias,
                      const eg_conv *how, bool relu, bool *done);
eg_status eg_winograd_input(eg_tensor *grad_in, const eg_tensor *grad_out, const eg_tensor *weight, const eg_conv *how,
                            bool *done);
eg_status eg_winograd_weight(eg_tensor *grad_weight, const eg_tensor *grad_out, const eg_tensor *in, const eg_conv *how,
                             bool *done);

#endif
