/* engram.h - the public interface of Engram's C core.
 *
 * This header is the one source of truth: the C compiler reads it, and its preprocessed text is what LuaJIT's FFI
 * reads (embedded in libengram as `eg_header_text`). It therefore holds declarations only.
 *
 * Conventions
 *   - A function that can fail returns eg_status (EG_OK is 0) or a pointer (NULL on failure); the reason, with the
 *     operation's name and the shapes, is then in eg_error_message(). On failure outputs are untouched.
 *   - `out` comes first and is allocated by the caller with the right shape and dtype; kernels check it.
 *   - Dimensions and indices are 0-based in C (Lua adds and takes off the one). Class labels and index tensors handed
 *     over by Lua are 1-BASED int64 tensors: functions that take or write them say "1-based".
 *   - Strides are counted in elements, may be zero (broadcast) or any positive number; never negative.
 *   - "real" means float32 or float64; all real tensors of one call have one dtype unless said otherwise.
 *   - Kernels never print, exit or call Lua. They may take scratch memory; without it they return EG_ENOMEM.
 *   - Results do not depend on the number of threads.
 */
#ifndef ENGRAM_H
#define ENGRAM_H
#include <stddef.h>
#include <stdint.h>

/* ---- status and errors (error.c) ------------------------------------------------------------------------------- */

typedef enum eg_status {
  EG_OK = 0,
  EG_EINVAL,    /* an argument outside its range */
  EG_ESHAPE,    /* shapes that do not fit together */
  EG_EDTYPE,    /* a dtype the operation does not take */
  EG_EINDEX,    /* an index or label out of range */
  EG_ENOMEM,    /* out of memory */
  EG_ERELEASED, /* a tensor that has been released */
  EG_EINTR,     /* interrupted by the user */
  EG_EIO,       /* a file could not be read or written */
  EG_EFORMAT    /* a file that is not what it claims to be */
} eg_status;

/* The text of this thread's last failure; never NULL. */
const char *eg_error_message(void);

/* ---- interrupts (error.c): a flag that signal handlers set and long loops poll ----------------------------------- */
void eg_interrupt_set(int value); /* async-signal-safe; 0 clears */
int eg_interrupt_get(void);
/* With trap = 1 the flag no longer makes eg_new fail with EG_EINTR: the caller polls eg_interrupt_get itself. */
void eg_interrupt_trap(int trap);

/* ---- tensors (tensor.c, storage.c) ------------------------------------------------------------------------------ */
enum { EG_MAX_DIMS = 8 };
typedef enum eg_dtype { EG_FLOAT32 = 0, EG_FLOAT64 = 1, EG_INT64 = 2, EG_UINT8 = 3 } eg_dtype;

typedef struct eg_storage eg_storage;
typedef struct eg_tensor {
  void *data;          /* the first element */
  eg_storage *storage; /* counted block of memory that data lies in */
  int64_t count;       /* number of elements: the product of size */
  int32_t dtype;       /* eg_dtype */
  int32_t dims;        /* 0 (a scalar) .. EG_MAX_DIMS */
  uint32_t version;    /* the storage's version when this tensor was made or saved */
  int32_t contiguous;  /* 1 when elements lie in row-major order without gaps */
  int64_t size[8];
  int64_t stride[8]; /* in elements */
} eg_tensor;

/* A new tensor with undefined contents; size values must be >= 0. NULL on failure. Free with eg_free. */
eg_tensor *eg_new(int dtype, int dims, const int64_t *size);
/* As t: same shape (row-major), dtype of t, or `dtype` when it is not negative. */
eg_tensor *eg_new_like(const eg_tensor *t, int dtype);
/* The broadcast shape of a and b (NumPy's rule); dtype of a, or `dtype` when it is not negative. */
eg_tensor *eg_new_broadcast(const eg_tensor *a, const eg_tensor *b, int dtype);
/* The shape of t with dimension `dim` reduced: to 1 when keep, else removed; dim < 0: all dimensions. */
eg_tensor *eg_new_reduced(const eg_tensor *t, int dim, int keep, int dtype);
/* A second tensor over the same memory; remembers the storage's present version. */
eg_tensor *eg_alias(const eg_tensor *t);
/* A view over t's memory: element offset counted from t's first element. Fails if any element lies outside t's storage. */
eg_tensor *eg_view(const eg_tensor *t, int dims, const int64_t *size, const int64_t *stride, int64_t offset);
/* A view of another shape, where strides allow it without a copy; else NULL with EG_EINVAL's message. */
eg_tensor *eg_view_shape(const eg_tensor *t, int dims, const int64_t *size);
/* Releases the tensor and, with its last user, the storage. NULL is allowed. */
void eg_free(eg_tensor *t);

/* What Lua holds: a tensor, and the number of its record in the graph (0: none). Dropping it frees the tensor. The flags are Lua's:
 * 1 outlives its scope, 2 stands in several places of a backward pass, 4 is a gradient that was asked for or given. */
typedef struct eg_handle {
  eg_tensor *tensor;
  uint32_t record;
  uint32_t flags;
} eg_handle;
void eg_handle_drop(eg_handle *handle);

int eg_same_shape(const eg_tensor *a, const eg_tensor *b);
/* Number of tensors that share t's storage. */
int64_t eg_storage_users(const eg_tensor *t);
/* In-place changes count: a graph that saved a tensor sees that it was overwritten since. */
uint32_t eg_storage_version(const eg_tensor *t);
void eg_storage_touch(eg_tensor *t);
size_t eg_element_size(int dtype);

/* Live bytes: held by tensors now; peak: the most there ever was; pooled: kept warm for the next tensor. */
int64_t eg_live_bytes(void);
int64_t eg_peak_bytes(void);
int64_t eg_pooled_bytes(void);
int64_t eg_live_tensors(void);
void eg_pool_trim(void);                 /* gives pooled blocks back to the system */
void eg_memory_limit(int64_t bytes);     /* 0: the machine's or container's memory, as at first */
void eg_alloc_fail_after(int64_t count); /* tests: the count-th next allocation fails; negative: never */

/* ---- threads (parallel.c) --------------------------------------------------------------------------------------- */
eg_status eg_threads_set(int count); /* 1 .. 256 */
int eg_threads_get(void);
int eg_cores(void);         /* processors that this process may run on */
const char *eg_blas(void);  /* e.g. "OpenBLAS 0.3.21 Zen" */
const char *eg_build(void); /* compiler of this library and instruction set in use */
/* The instruction set in use: "portable", "avx2" or "avx512", at first the widest that the processor has. Results have the
 * same bits within one set. Fails with EG_EINVAL on a set that the processor does not have; not while kernels run. */
const char *eg_instructions(void);
eg_status eg_instructions_set(const char *name);

/* ---- random numbers (random.c): Philox4x32-10, one 128-bit counter a stream -------------------------------------- */
typedef struct eg_rng {
  uint64_t key;     /* made from the root seed and the stream's name */
  uint64_t counter; /* blocks of four 32-bit numbers taken so far */
} eg_rng;
/* The key of stream `name` under root seed `seed`. */
uint64_t eg_rng_key(uint64_t seed, const char *name);
/* One block: out[4] = Philox4x32-10(counter, key); exposed for the published test vectors. */
void eg_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
eg_status eg_uniform(eg_tensor *out, eg_rng *rng, double low, double high);   /* real; [low, high) */
eg_status eg_normal(eg_tensor *out, eg_rng *rng, double mean, double std);    /* real */
eg_status eg_randint(eg_tensor *out, eg_rng *rng, int64_t low, int64_t high); /* int64 or uint8; low .. high, both in */
eg_status eg_bernoulli(eg_tensor *out, eg_rng *rng, double p);                /* any dtype; 1 with probability p */
eg_status eg_randperm(eg_tensor *out, eg_rng *rng);                           /* int64 (n); 1-based permutation */
double eg_rng_double(eg_rng *rng);                                            /* [0, 1), 53 bits */

/* ---- element-wise (map.c, binary.c, copy.c): any strides; `in` may be `out` itself; an operand that overlaps `out` otherwise
 * is copied first; an `out` whose elements share memory is refused --------------------------------------------------- */
typedef enum eg_unary_op {
  EG_NEG = 0,
  EG_ABS,
  EG_SIGN,
  EG_EXP,
  EG_EXPM1,
  EG_LOG,
  EG_LOG1P,
  EG_SQRT,
  EG_RSQRT,
  EG_SQUARE,
  EG_RECIPROCAL,
  EG_SIN,
  EG_COS,
  EG_TANH,
  EG_SIGMOID,
  EG_SOFTPLUS,
  EG_RELU,
  EG_GELU,
  EG_ERF,
  EG_FLOOR,
  EG_CEIL,
  EG_ROUND,
  EG_ISNAN,
  EG_ISFINITE,
  EG_NOT,
  EG_UNARY_COUNT
} eg_unary_op;
typedef enum eg_binary_op {
  EG_ADD = 0,
  EG_SUB,
  EG_MUL,
  EG_DIV,
  EG_POW,
  EG_REMAINDER,
  EG_MAXIMUM,
  EG_MINIMUM,
  EG_EQ,
  EG_NE,
  EG_LT,
  EG_LE,
  EG_GT,
  EG_GE,
  EG_AND,
  EG_OR,
  EG_BINARY_COUNT
} eg_binary_op;

eg_status eg_fill(eg_tensor *out, double value);
/* out = in, converted to out's dtype and broadcast to out's shape. To whole numbers: towards zero, the nearest end for what
 * lies outside, 0 for NaN. */
eg_status eg_copy(eg_tensor *out, const eg_tensor *in);
/* real in and out; NEG ABS SIGN SQUARE NOT also int64 and uint8; ISNAN ISFINITE NOT write uint8.
 * GELU is the exact form x Phi(x). ROUND rounds halves to even. */
eg_status eg_unary(int op, eg_tensor *out, const eg_tensor *in);
/* out = a op b, broadcast; a and b of one dtype, which out has too; comparisons, AND and OR write uint8.
 * REMAINDER has the sign of b (as in Lua); integer division by zero is EG_EINVAL. DIV of integers rounds down. */
eg_status eg_binary(int op, eg_tensor *out, const eg_tensor *a, const eg_tensor *b);
/* out = in op value, or value op in when reversed. */
eg_status eg_binary_scalar(int op, eg_tensor *out, const eg_tensor *in, double value, int reversed);
/* out = a + alpha * b (broadcast) */
eg_status eg_add_scaled(eg_tensor *out, const eg_tensor *a, const eg_tensor *b, double alpha);
/* out = in clamped to [low, high]; NaN stays NaN; pass -INFINITY or INFINITY for an open end */
eg_status eg_clamp(eg_tensor *out, const eg_tensor *in, double low, double high);
/* out = condition ? a : b, broadcast; condition uint8 */
eg_status eg_where(eg_tensor *out, const eg_tensor *condition, const eg_tensor *a, const eg_tensor *b);
/* grad_in from the saved output (RELU TANH SIGMOID EXP SQRT RSQRT) or the saved input (GELU): first order; no others */
eg_status eg_unary_backward(int op, eg_tensor *grad_in, const eg_tensor *grad_out, const eg_tensor *saved);

/* ---- reductions (reduce.c): dim < 0 reduces all dimensions to a scalar ------------------------------------------- */
typedef enum eg_reduce_op {
  EG_SUM = 0,
  EG_MEAN,
  EG_PROD,
  EG_MAX,
  EG_MIN,
  EG_SUM_SQUARES,
  EG_SUM_ABS,
  EG_REDUCE_COUNT
} eg_reduce_op;
/* out has in's shape with `dim` of size 1 or removed. Sums are made in double precision, in an order that
 * shape and strides fix. SUM, PROD, MAX, MIN take int64 too (PROD alone no uint8); SUM of uint8 writes int64. NaN wins MAX and MIN.
 * MEAN, MAX and MIN of nothing are EG_EINVAL. */
eg_status eg_reduce(int op, eg_tensor *out, const eg_tensor *in, int dim);
/* out: int64, 1-based index of the first largest (smallest) element along dim; dim < 0: index into the flat tensor. */
eg_status eg_argmax(eg_tensor *out, const eg_tensor *in, int dim);
eg_status eg_argmin(eg_tensor *out, const eg_tensor *in, int dim);
eg_status eg_cumsum(eg_tensor *out, const eg_tensor *in, int dim);
/* Whole-tensor figures for printing and checks: counts of NaN and of infinities (either pointer may be NULL). */
eg_status eg_count_nonfinite(const eg_tensor *in, int64_t *nan, int64_t *infinite);
/* 1 in *equal when shapes, dtypes and all bits are equal (NaN equals NaN of the same bits). */
eg_status eg_bits_equal(const eg_tensor *a, const eg_tensor *b, int *equal);
/* Number of elements whose bits differ; a and b of one shape and dtype. */
eg_status eg_count_different(const eg_tensor *a, const eg_tensor *b, int64_t *different);
/* mask (uint8, in's shape) = mask or (a and b differ in bits) */
eg_status eg_mark_different(eg_tensor *mask, const eg_tensor *a, const eg_tensor *b);

/* ---- indexing and order (index.c, order.c); index tensors are int64, 1-based ----------------------------------------------- */
/* out: in's shape with size[dim] = count of index. Also the batch gather of the data path. */
eg_status eg_index_select(eg_tensor *out, const eg_tensor *in, int dim, const eg_tensor *index);
/* out (contiguous) += rows of src at index along dim: the gradient of index_select; serial order, so the bits are fixed. */
eg_status eg_index_add(eg_tensor *out, int dim, const eg_tensor *index, const eg_tensor *src);
/* out[i][j] = in[i][index[i][j]] along dim (PyTorch's gather); index and out have one shape. */
eg_status eg_gather(eg_tensor *out, const eg_tensor *in, int dim, const eg_tensor *index);
/* out[i][index[i][j]] += src[i][j]: the gradient of gather. */
eg_status eg_scatter_add(eg_tensor *out, int dim, const eg_tensor *index, const eg_tensor *src);
/* Stable sort along dim; values as in, indices int64 1-based. NaN counts as largest. */
eg_status eg_sort(eg_tensor *values, eg_tensor *indices, const eg_tensor *in, int dim, int descending);
/* *count = number of true elements of uint8 mask; then out (count) int64: their 1-based flat positions. */
eg_status eg_count_true(const eg_tensor *mask, int64_t *count);
eg_status eg_nonzero(eg_tensor *out, const eg_tensor *mask);
/* out: real (n, classes), 1 at label (1-based), else 0 */
eg_status eg_one_hot(eg_tensor *out, const eg_tensor *labels);
/* A batch of stored items: out[i] = in[index[i]] * scale + shift, in uint8 or real (items, ...), out real (n, ...). */
eg_status eg_batch(eg_tensor *out, const eg_tensor *in, const eg_tensor *index, double scale, double shift);
/* The q-th quantile (0..1, linear between order statistics as NumPy's default) of all elements; exact. Real. */
eg_status eg_quantile(const eg_tensor *in, double q, double *value);

/* ---- products (matmul.c): OpenBLAS in tiles fixed by shape --------------------------------------------------------- */
/* out = a b. (m,k)x(k,n); batched: equal or broadcast leading dimensions; real; any strides (transposes cost nothing). */
eg_status eg_matmul(eg_tensor *out, const eg_tensor *a, const eg_tensor *b);
eg_tensor *eg_matmul_new(const eg_tensor *a, const eg_tensor *b); /* of the output's shape */
/* out (n, o) = x (n, i) weight(o, i)^T + bias (o); bias may be NULL */
eg_status eg_linear(eg_tensor *out, const eg_tensor *x, const eg_tensor *weight, const eg_tensor *bias);
/* The positive part of the same, in one pass. */
eg_status eg_linear_relu(eg_tensor *out, const eg_tensor *x, const eg_tensor *weight, const eg_tensor *bias);
eg_tensor *eg_linear_new(const eg_tensor *x, const eg_tensor *weight); /* of the output's shape */

/* ---- convolution (conv.c): NCHW, weight (out, in, kh, kw) ---------------------------------------------------------- */
typedef struct eg_conv {
  int64_t stride_h, stride_w, padding_h, padding_w;
} eg_conv;
/* A tensor of the output's shape; the message names both shapes when they do not fit. */
eg_tensor *eg_conv2d_new(const eg_tensor *in, const eg_tensor *weight, const eg_conv *how);
eg_status eg_conv2d(eg_tensor *out, const eg_tensor *in, const eg_tensor *weight, const eg_tensor *bias,
                    const eg_conv *how);
/* The positive part of the same, in one pass. */
eg_status eg_conv2d_relu(eg_tensor *out, const eg_tensor *in, const eg_tensor *weight, const eg_tensor *bias,
                         const eg_conv *how);
/* The two adjoints. Each of the three is linear in each argument, so together they give every order of derivative. */
eg_status eg_conv2d_input(eg_tensor *grad_in, const eg_tensor *grad_out, const eg_tensor *weight, const eg_conv *how);
eg_status eg_conv2d_weight(eg_tensor *grad_weight, const eg_tensor *grad_out, const eg_tensor *in, const eg_conv *how);

/* ---- pooling (pool.c) ------------------------------------------------------------------------------------------------ */
typedef struct eg_pool {
  int64_t kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w;
} eg_pool;
eg_tensor *eg_pool2d_new(const eg_tensor *in, const eg_pool *how, int dtype); /* dtype < 0: in's */
/* index: int64 or uint8, out's shape: where in its window (uint8, 0-based, row-major in the window) or in its plane
 * (int64, 1-based) the first largest element lies. NaN wins. Padding never wins. */
eg_status eg_maxpool2d(eg_tensor *out, eg_tensor *index, const eg_tensor *in, const eg_pool *how);
eg_status eg_maxpool2d_backward(eg_tensor *grad_in, const eg_tensor *grad_out, const eg_tensor *index,
                                const eg_pool *how);
/* out = in at index: the adjoint of the backward */
eg_status eg_maxpool2d_take(eg_tensor *out, const eg_tensor *in, const eg_tensor *index, const eg_pool *how);
/* zeros of the padding count in the mean, as PyTorch's default */
eg_status eg_avgpool2d(eg_tensor *out, const eg_tensor *in, const eg_pool *how);
eg_status eg_avgpool2d_backward(eg_tensor *grad_in, const eg_tensor *grad_out, const eg_pool *how);

/* ---- normalisation (norm.c): x (n, c, ...); statistics over all but c ------------------------------------------------ */
/* mean and inverse standard deviation 1/sqrt(var + epsilon) (c) of the batch (biased variance); variance may be NULL, else
 * receives the biased variance. */
eg_status eg_batchnorm_stats(eg_tensor *mean, eg_tensor *rstd, eg_tensor *variance, const eg_tensor *x, double epsilon);
/* out = (x - mean) * rstd * weight + bias; weight and bias may be NULL */
eg_status eg_batchnorm(eg_tensor *out, const eg_tensor *x, const eg_tensor *mean, const eg_tensor *rstd,
                       const eg_tensor *weight, const eg_tensor *bias);
/* First order. batch = 1: mean and rstd came from x (training); 0: constants (evaluation). grad_x, grad_weight and
 * grad_bias may be NULL when not wanted. */
eg_status eg_batchnorm_backward(eg_tensor *grad_x, eg_tensor *grad_weight, eg_tensor *grad_bias,
                                const eg_tensor *grad_out, const eg_tensor *x, const eg_tensor *mean,
                                const eg_tensor *rstd, const eg_tensor *weight, int batch);

/* ---- layer normalisation (layernorm.c): each row of x (..., width) by its own mean and deviation ---------------------------- */
/* out = (x - mean) * rstd * weight + bias, rstd = 1 / sqrt(biased variance + epsilon); weight and bias (width) may be NULL. stats
 * (rows, 2) receives mean and rstd of each row. */
eg_status eg_layernorm(eg_tensor *out, eg_tensor *stats, const eg_tensor *x, const eg_tensor *weight,
                       const eg_tensor *bias, double epsilon);
/* First order. Gradients that are not wanted may be NULL. */
eg_status eg_layernorm_backward(eg_tensor *grad_x, eg_tensor *grad_weight, eg_tensor *grad_bias,
                                const eg_tensor *grad_out, const eg_tensor *x, const eg_tensor *stats,
                                const eg_tensor *weight);

/* ---- embeddings (embedding.c): index int64 of any shape, 1-based; `blank` is a number that has no row (0: none) ---------------- */
/* out (index's shape, width) = rows of table (rows, width) at index; zeros at the blank */
eg_status eg_embedding(eg_tensor *out, const eg_tensor *table, const eg_tensor *index, int64_t blank);
/* *used = how many different numbers but the blank the index holds */
eg_status eg_embedding_used(int64_t *used, const eg_tensor *index, int64_t rows, int64_t blank);
/* The gradient of a table of `rows` rows: used (u) int64 receives the numbers in rising order, sums (u, width) what grad (index's
 * shape, width) holds for each, added up in the order of the positions. */
eg_status eg_embedding_rows(eg_tensor *used, eg_tensor *sums, const eg_tensor *grad, const eg_tensor *index,
                            int64_t rows, int64_t blank);
/* out (rows, width) += the squares (absolute values) of each sample's gradient of the table; samples are index's first dimension */
eg_status eg_fisher_embedding(eg_tensor *out, const eg_tensor *grad, const eg_tensor *index, int64_t blank,
                              int absolute);

/* ---- attention (attention.c): queries q (n, queries, d), keys k and values v (n, keys, d), heads beside each other in d ---------- */
typedef struct eg_attention {
  int64_t heads;
  double scale, dropout; /* of the scores; the share of weights that the dropout mask drops */
  int32_t causal;        /* 1: the last query sees all keys, the one before it all but the last, ... */
} eg_attention;
/* out (n, queries, d) = dropped weights v, weights (n, heads, queries, keys) = softmax(scale q k^T). mask (n, keys) uint8 or NULL: 1
 * where a key is not looked at; a query without keys gets zeros. kept (weights' shape) uint8 or NULL: 1 where a weight is kept by
 * dropout and divided by 1 - dropout. out may be a view whose rows lie in one piece each. */
eg_status eg_attention_forward(eg_tensor *out, eg_tensor *weights, const eg_tensor *q, const eg_tensor *k,
                               const eg_tensor *v, const eg_tensor *mask, const eg_tensor *kept,
                               const eg_attention *how);
/* First order. The gradients may be views whose rows lie in one piece each. */
eg_status eg_attention_backward(eg_tensor *dq, eg_tensor *dk, eg_tensor *dv, const eg_tensor *grad,
                                const eg_tensor *weights, const eg_tensor *q, const eg_tensor *k, const eg_tensor *v,
                                const eg_tensor *kept, const eg_attention *how);

/* Self-attention of the last position alone (attention_last.c), without keys and values: x (n, t, d), its last position's query q
 * (n, d), and the weight (3 d, d) and bias (3 d, or NULL) of query, key and value. out (n, 2, d): what the last position reads, and the
 * last position itself. weights (n, heads, t), mask (n, t) and kept (n, heads, t) as above. */
eg_status eg_attention_last_forward(eg_tensor *out, eg_tensor *weights, const eg_tensor *q, const eg_tensor *x,
                                    const eg_tensor *weight, const eg_tensor *bias, const eg_tensor *mask,
                                    const eg_tensor *kept, const eg_attention *how);
/* First order, but for what comes through q: dq (n, d) is that one's gradient. dw (3 d, d) gets the rows of key and value, db (3 d) those
 * of the value (the key's bias has none); dx, db, or dw and db may be NULL. size: 0; or 1, 2: dw and db get the sums of the squares,
 * absolute values, of each sample's gradient. */
eg_status eg_attention_last_backward(eg_tensor *dx, eg_tensor *dq, eg_tensor *dw, eg_tensor *db, const eg_tensor *grad,
                                     const eg_tensor *weights, const eg_tensor *q, const eg_tensor *x,
                                     const eg_tensor *weight, const eg_tensor *bias, const eg_tensor *kept,
                                     const eg_attention *how, int size);

/* ---- recurrence (lstm.c): one layer over all steps, gates in the order i f g o -------------------------------------------------- */
/* in (n, t, 4 hidden): what the input gives to the gates; weight (4 hidden, hidden) of the state; initial (n, 2 hidden): h, c. states
 * (n, t, 2 hidden) receives h, c after each step, gates (in's shape) the gates, which the backward needs. */
eg_status eg_lstm_forward(eg_tensor *states, eg_tensor *gates, const eg_tensor *in, const eg_tensor *weight,
                          const eg_tensor *initial);
/* First order; the weight's gradient is the product of d_in and the h before each step. */
eg_status eg_lstm_backward(eg_tensor *d_in, eg_tensor *d_initial, const eg_tensor *grad, const eg_tensor *states,
                           const eg_tensor *gates, const eg_tensor *weight, const eg_tensor *initial);

/* ---- softmax and losses (softmax.c): along a dimension of a contiguous or strided tensor --------------------------- */
eg_status eg_softmax(eg_tensor *out, const eg_tensor *in, int dim);
eg_status eg_log_softmax(eg_tensor *out, const eg_tensor *in, int dim);
eg_status eg_softmax_backward(eg_tensor *grad_in, const eg_tensor *grad_out, const eg_tensor *out, int dim);
eg_status eg_log_softmax_backward(eg_tensor *grad_in, const eg_tensor *grad_out, const eg_tensor *out, int dim);
/* losses (n) = -log softmax(logits (n, c))[label], labels 1-based; log_probabilities (n, c) is kept for the backward */
eg_status eg_cross_entropy(eg_tensor *losses, eg_tensor *log_probabilities, const eg_tensor *logits,
                           const eg_tensor *labels);
/* grad_logits[i] = (softmax - one_hot(label)) * grad_losses[i]; grad_losses (n), any stride (0 for a mean) */
eg_status eg_cross_entropy_backward(eg_tensor *grad_logits, const eg_tensor *grad_losses,
                                    const eg_tensor *log_probabilities, const eg_tensor *labels);

/* ---- dropout (dropout.c) ---------------------------------------------------------------------------------------------- */
/* out = in * mask / (1 - p), mask (uint8) is 0 with probability p: one draw an element, or, with an (n, c) mask for an
 * (n, c, ...) input, one a channel. p = 1 gives zeros. */
eg_status eg_dropout(eg_tensor *out, eg_tensor *mask, const eg_tensor *in, double p, eg_rng *rng);
/* out = in * mask / (1 - p) for a mask drawn earlier: the backward, and its own adjoint */
eg_status eg_dropout_apply(eg_tensor *out, const eg_tensor *mask, const eg_tensor *in, double p);

/* ---- optimizer steps (optim.c): parameter and slots are contiguous and of one shape and dtype; one pass over memory ----- */
typedef struct eg_sgd {
  double lr, momentum, dampening, weight_decay;
  int32_t nesterov, first; /* first: the momentum buffer starts as the gradient */
} eg_sgd;
eg_status eg_sgd_step(eg_tensor *p, const eg_tensor *g, eg_tensor *momentum,
                      const eg_sgd *h); /* momentum NULL when 0 */
eg_status eg_adagrad_step(eg_tensor *p, const eg_tensor *g, eg_tensor *sum, double lr, double epsilon,
                          double weight_decay);
eg_status eg_rmsprop_step(eg_tensor *p, const eg_tensor *g, eg_tensor *square, double lr, double alpha, double epsilon,
                          double weight_decay);
typedef struct eg_adam {
  double lr, beta1, beta2, epsilon, weight_decay;
  int32_t decoupled; /* 1: AdamW */
  int64_t step;      /* counts from 1 */
} eg_adam;
eg_status eg_adam_step(eg_tensor *p, const eg_tensor *g, eg_tensor *first, eg_tensor *second, const eg_adam *h);
typedef struct eg_classp {
  double lr, threshold, power, epsilon;
  int32_t decay;     /* divide by (grad_sum + epsilon)^(1/power) */
  int32_t published; /* 1: the published code's rule, per tensor; 0: the paper's, per weight */
} eg_classp;
/* CLASSP (Ludwig 2024, arXiv 2405.09637). *moved = number of weights that passed the gate. */
eg_status eg_classp_step(eg_tensor *p, const eg_tensor *g, eg_tensor *grad_sum, const eg_classp *h, int64_t *moved);
/* The same for p (rows, width) whose gradient is g (u, width) in the rows `rows` (u) int64, 1-based and rising, and 0 in the others:
 * same bits, but only those rows are touched. For hyper-parameters with which a gradient of 0 changes nothing: SGD without momentum
 * and weight decay, AdaGrad without weight decay, CLASSP. */
eg_status eg_sgd_rows(eg_tensor *p, const eg_tensor *rows, const eg_tensor *g, const eg_sgd *h);
eg_status eg_adagrad_rows(eg_tensor *p, const eg_tensor *rows, const eg_tensor *g, eg_tensor *sum, double lr,
                          double epsilon);
eg_status eg_classp_rows(eg_tensor *p, const eg_tensor *rows, const eg_tensor *g, eg_tensor *grad_sum,
                         const eg_classp *h, int64_t *moved);

/* ---- plugins (plugin.c, plugin_host.c): optimizers in C that are loaded from a file; engram_plugin.h is what they see ---------- */
typedef struct eg_plugin_hyper {
  const char *name, *doc; /* doc may be NULL */
  int32_t type, choices;  /* 0 number, 1 whole number, 2 switch, 3 choice; how many choices */
  double initial, minimum, maximum;
  const char *const *choice;
} eg_plugin_hyper;
typedef struct eg_plugin_slot {
  const char *name, *doc;
  int32_t scalar, reset;
  double initial;
} eg_plugin_slot;
/* A plugin whose file and description have been found sound. It lives as long as the process. */
typedef struct eg_plugin {
  const char *name, *version, *licence, *doc, *source; /* all but name and version may be NULL */
  int32_t hypers, slots, statistics;
  const eg_plugin_hyper *hyper;
  const eg_plugin_slot *slot;
  const char *const *statistic; /* names */
  const void *descriptor;
  struct eg_plugin *next;
} eg_plugin;
/* Loads a shared library; NULL when it is none, or none of this ABI, or when anything in its descriptor is wrong. The code of
 * the library runs in this call only after its file has been found to be whole and for this machine. */
eg_plugin *eg_plugin_open(const char *path);

typedef struct eg_plugin_instance eg_plugin_instance;
/* An optimizer of the plugin's; NULL when its create failed. */
eg_plugin_instance *eg_plugin_new(const eg_plugin *plugin, int64_t parameters, int64_t weights);
void eg_plugin_free(eg_plugin_instance *instance);
typedef struct eg_plugin_step {
  const char *name; /* of the parameter */
  int64_t index, step, parameter_step, task, epoch;
  eg_rng *rng;
  const double *hyper;
  eg_tensor *const *slots;
} eg_plugin_step;
/* One update of p, in place; the slots are of its shape and dtype, or float64 scalars. *moved: weights that changed. */
eg_status eg_plugin_update(eg_plugin_instance *instance, const eg_plugin_step *about, eg_tensor *p, const eg_tensor *g,
                           int64_t *moved);
eg_status eg_plugin_task(eg_plugin_instance *instance, int64_t task, int begins);
eg_status eg_plugin_statistics(eg_plugin_instance *instance, double *values);
/* What plugins have logged since the last call, lines that end with a line break; NULL: nothing. */
const char *eg_plugin_log(void);

/* ---- consolidation (consolidate.c) --------------------------------------------------------------------------------------- */
/* How large a gradient is: its square; its square where delta holds squares already; its absolute value. */
enum { EG_SQUARES, EG_SQUARED, EG_ABSOLUTE };
/* out += scale * sum over samples of the size of the per-sample gradient, exact, by one product of matrices of sizes.
 * Linear: delta (n, o) is the gradient of each sample's loss at the layer's output, input (n, i); out_bias may be NULL.
 * With EG_SQUARED, delta holds squares already, summed over several losses of the same inputs: all in one product. */
eg_status eg_fisher_linear(eg_tensor *out_weight, eg_tensor *out_bias, const eg_tensor *delta, const eg_tensor *input,
                           double scale, int size);
/* The same for a linear layer over sequences, delta (n group, o) and input (n group, i): a sample's gradient is the sum over its `group`
 * rows. Adds the squares, or with `absolute` the absolute values. */
eg_status eg_fisher_sequence(eg_tensor *out_weight, eg_tensor *out_bias, const eg_tensor *delta, const eg_tensor *input,
                             int64_t group, int absolute);
/* Convolution: per-sample gradients by one product a sample over unfolded columns, then squared, or their absolute values. */
eg_status eg_fisher_conv2d(eg_tensor *out_weight, eg_tensor *out_bias, const eg_tensor *delta, const eg_tensor *input,
                           const eg_conv *how, double scale, int size);
/* before = grad (where before is not NULL); grad += factor * importance * (p - anchor);
 * *penalty = factor / 2 * sum importance (p - anchor)^2. grad may be NULL. */
eg_status eg_quadratic_penalty(eg_tensor *grad, eg_tensor *before, const eg_tensor *p, const eg_tensor *anchor,
                               const eg_tensor *importance, double factor, double *penalty);
/* path += grad * (previous - p); previous = p: what a step along grad has taken off the loss, weight by weight. */
eg_status eg_path_integral(eg_tensor *path, eg_tensor *previous, const eg_tensor *p, const eg_tensor *grad);

/* ---- files: every byte distrusted; written to a temporary name, synced and renamed ------------------------------------------ */
/* IDX (plain or gzip, then nothing but zeros): the whole file as a uint8, int64 (types 0x09 0x0B 0x0C) or real tensor of its shape. NULL on failure. */
eg_tensor *eg_idx_read(const char *path);
/* NumPy .npy, versions 1 to 3, C and Fortran order, either byte order; f4 f8 i1 i2 i4 i8 u1 u2 u4 b1 (ints become int64,
 * u1 and b1 uint8). */
eg_tensor *eg_npy_read(const char *path);
eg_status eg_npy_write(const char *path, const eg_tensor *t);

/* Files of records, plain or gzip, UTF-8 or ISO-8859-1 (which becomes UTF-8): a line each, its fields parted by `separator`; with `quotes` a
 * field may stand in them, as in RFC 4180, and then hold separators, line ends and doubled quotes. A byte-order mark is passed over. */
typedef struct eg_records eg_records;
eg_records *eg_records_open(const char *path, int separator, int quotes, int latin); /* NULL on failure */
void eg_records_close(eg_records *records);
/* The next record: *fields of them, 0 at the end. Fails with PATH:LINE: for NUL bytes, invalid UTF-8, a quote that does not end, text
 * behind one, an empty line before others. */
eg_status eg_records_next(eg_records *records, int64_t *fields);
const char *eg_records_field(const eg_records *records, int64_t i,
                             size_t *length);       /* counted from 0; until the next record */
int64_t eg_records_line(const eg_records *records); /* where the record begins, from 1 */

/* The files in a tar (plain or gzip) or zip archive. */
typedef struct eg_archive eg_archive;
eg_archive *eg_archive_open(const char *path); /* NULL on failure */
void eg_archive_close(eg_archive *archive);
eg_status eg_archive_next(eg_archive *archive, const char **name, int64_t *size); /* name: NULL behind the last one */
eg_status eg_archive_read(eg_archive *archive, char *out);                        /* the present one's bytes, once */

/* Writes bytes to path: temporary file in the same folder, fsync, rename. */
eg_status eg_file_write(const char *path, const void *bytes, size_t length);
/* Adds bytes at the end of path, all of them or none: what a full disk cut short is taken off again. */
eg_status eg_file_append(const char *path, const void *bytes, size_t length);
eg_status eg_file_sync(const char *path); /* waits until what was appended is on disk */
/* Tests (fault.c): OPERATION[@WORD]:COUNT[+]:WHAT makes the COUNT-th file operation (open write sync close rename mkdir cut any)
 * on a path that holds WORD fail with WHAT (EIO ENOSPC EROFS EACCES EDQUOT EEXIST) or be struck by it (KILL TERM INT USR1); with +
 * all that follow too. A write is done by half. NULL or "": none. The engram executable reads it from ENGRAM_FAULT. */
eg_status eg_fault_set(const char *text);
/* SHA-256, as 64 hexadecimal digits and a NUL. */
typedef struct eg_sha256 {
  uint32_t state[8];
  uint64_t length;
  uint8_t block[64];
} eg_sha256;
void eg_sha256_begin(eg_sha256 *h);
void eg_sha256_bytes(eg_sha256 *h, const void *bytes, size_t length);
eg_status eg_sha256_tensor(eg_sha256 *h, const eg_tensor *t); /* its elements in row-major order */
void eg_sha256_end(eg_sha256 *h, char hex[65]);
eg_status eg_sha256_file(const char *path, char hex[65]);
eg_status eg_sha256_unpacked(const char *path,
                             char hex[65]); /* of what a gzip file unpacks to; plain files as they are */

/* CRC-32C of what has the sum so far (0: nothing) and more behind it. */
uint32_t eg_crc32c_more(uint32_t sum, const void *bytes, size_t length);
eg_status eg_crc32c_tensor(uint32_t *sum, const eg_tensor *t); /* its elements in row-major order */

/* safetensors. A reader maps nothing: it checks the header, then reads tensors one by one. */
typedef struct eg_safetensors eg_safetensors;
eg_safetensors *eg_safetensors_open(const char *path); /* NULL on failure */
void eg_safetensors_close(eg_safetensors *file);
int64_t eg_safetensors_count(const eg_safetensors *file);
const char *eg_safetensors_name(const eg_safetensors *file, int64_t i); /* file order of the data */
eg_tensor *eg_safetensors_read(eg_safetensors *file, int64_t i);        /* F32 F64 I64 U8 (F16 BF16 I32 are widened) */
int64_t eg_safetensors_metadata_count(const eg_safetensors *file);
const char *eg_safetensors_metadata_key(const eg_safetensors *file, int64_t i);
const char *eg_safetensors_metadata_value(const eg_safetensors *file, int64_t i);
/* Writes count tensors and pairs of metadata strings (keys[i], values[i]). */
eg_status eg_safetensors_write(const char *path, int64_t count, const char *const *names, eg_tensor *const *tensors,
                               int64_t pairs, const char *const *keys, const char *const *values);

/* JSON through jansson: a tree that Lua walks. */
typedef struct eg_json eg_json;
typedef enum eg_json_type {
  EG_JSON_NULL = 0,
  EG_JSON_FALSE,
  EG_JSON_TRUE,
  EG_JSON_NUMBER,
  EG_JSON_STRING,
  EG_JSON_ARRAY,
  EG_JSON_OBJECT
} eg_json_type;
eg_json *eg_json_parse(const char *text, size_t length); /* the root; NULL on failure, with line and column */
void eg_json_free(eg_json *root);
int eg_json_kind(const eg_json *value);
double eg_json_number(const eg_json *value);
const char *eg_json_string(const eg_json *value, size_t *length);
int64_t eg_json_size(const eg_json *value);
const eg_json *eg_json_item(const eg_json *array, int64_t i);
/* Object members in file order: key, its length, value. */
const eg_json *eg_json_member(const eg_json *object, int64_t i, const char **key, size_t *length);

/* YAML through libyaml: a tree with aliases and merge keys expanded. A key and a value know their place in the text. */
typedef enum eg_yaml_kind {
  EG_YAML_NULL = 0,
  EG_YAML_FALSE,
  EG_YAML_TRUE,
  EG_YAML_NUMBER,
  EG_YAML_STRING,
  EG_YAML_LIST,
  EG_YAML_MAP
} eg_yaml_kind;
typedef struct eg_yaml {
  int32_t kind;
  int32_t line, column;         /* where the value begins, counted from 1 */
  int32_t key_line, key_column; /* where its key begins, in a map */
  const char *key;              /* of a member of a map */
  size_t key_length;
  const char *text; /* a scalar as it was written, without its quotes; NUL-terminated */
  size_t length;
  double number;
  const struct eg_yaml *child; /* items, or members: the map's own in the order of the text, then the merged ones */
  int64_t children;
  int64_t total; /* keys and values in it, itself counted, aliases as if copied */
} eg_yaml;
/* The root, to be freed; NULL on failure, with "NAME:LINE:COLUMN: ..." or, without a name, "line L, column C: ...". */
eg_yaml *eg_yaml_parse(const char *text, size_t length, const char *name);
void eg_yaml_free(eg_yaml *root);

/* TensorBoard's event files (tensorboard.c), where protobuf-c was found at build. */
int eg_tensorboard_built(void);
/* Makes the file, which must not be there yet; restart >= 0: readers forget that step and later ones of the files before. */
eg_status eg_tensorboard_begin(const char *path, int64_t restart);
/* Adds one event with a scalar (a float) for each tag. */
eg_status eg_tensorboard_scalars(const char *path, int64_t step, int64_t count, const char *const *tags,
                                 const double *values);

/* ---- text (tokens.c, english.c, words.c): pieces of texts, and their numbers ------------------------------------------------- */
typedef enum eg_rule { EG_RULE_ENGLISH = 0, EG_RULE_WHITESPACE, EG_RULE_CHARACTERS } eg_rule;
/* rule; lower: small letters; breaks: <br /> parts words as white space does; enough: cut no further than so many tokens (0: to the end) */
typedef struct eg_tokenizer {
  int32_t rule, lower, breaks;
  int64_t enough;
} eg_tokenizer;
typedef struct eg_piece {
  int64_t begin, length;
} eg_piece;
/* Pieces of `text`, which is the caller's, or `lowered`. Begin with zeros; a list is used again and again, then freed. */
typedef struct eg_tokens {
  eg_piece *piece;
  int64_t count, room;
  const char *text;
  char *lowered;
  size_t lowered_room;
} eg_tokens;
void eg_tokens_free(eg_tokens *tokens);
eg_status eg_tokenize(eg_tokens *tokens, const eg_tokenizer *how, const char *text, size_t length);
/* The pieces of other rules: `count` of them, one after the other in the text. Of `how` only `lower` counts. */
eg_status eg_tokens_cut(eg_tokens *tokens, const eg_tokenizer *how, const char *text, int64_t count,
                        const int64_t *length);
/* The bytes before the first that is no UTF-8; length where all of it is. */
size_t eg_utf8_valid(const char *text, size_t length);

/* FNV-1a of 64 bits. */
uint64_t eg_hash_bytes(const char *bytes, size_t length);
/* Byte strings, each with a number from 1 in the order in which they came. */
typedef struct eg_words eg_words;
eg_words *eg_words_new(void); /* NULL when there is no memory */
void eg_words_free(eg_words *words);
int64_t eg_words_add(eg_words *words, const char *bytes,
                     size_t length); /* its number, counted once more; 0 on failure */
int64_t eg_words_find(const eg_words *words, const char *bytes, size_t length); /* 0: it is not there */
int64_t eg_words_size(const eg_words *words);
/* The bytes of a number, their length, and how often they came; NULL where there is none. */
const char *eg_words_get(const eg_words *words, int64_t number, size_t *length, int64_t *count);
/* Adds `count` tokens from `first` (counted from 0) on. */
eg_status eg_words_count(eg_words *words, const eg_tokens *tokens, int64_t first, int64_t count);
/* out: their numbers; `special` for those that are not there, or have a number up to it. */
void eg_words_encode(int64_t *out, const eg_words *words, int64_t special, const eg_tokens *tokens, int64_t first,
                     int64_t count);
/* out: before + 1 + hash % buckets */
void eg_hash_encode(int64_t *out, int64_t buckets, int64_t before, const eg_tokens *tokens, int64_t first,
                    int64_t count);
/* The columns of rows (n, t) int64 that are left without those at the end, or the start, in which all are `padding`; at least 1. */
int64_t eg_padded_width(const eg_tensor *rows, int64_t padding, int at_start);
/* out (n) int64: the numbers of each row without its padding at the end, or the start */
eg_status eg_row_lengths(eg_tensor *out, const eg_tensor *rows, int64_t padding, int at_start);

/* ---- limits (limit.c): what the machine can do on the threads that are set; the best of `rounds` rounds ---------------------- */
/* Floating-point operations a second of float32 matrix products that fit the caches, a single-threaded BLAS call a tile. */
eg_status eg_limit_sgemm(int rounds, double *per_second);
/* Bytes a second of a[i] = b[i] + s * c[i] over three arrays of 128 MB (each counted once; the cache line that is read before
 * it is written is not counted, as in STREAM). */
eg_status eg_limit_triad(int rounds, double *per_second);

/* ---- system (system.c): what Lua's own library lacks ----------------------------------------------------------------------- */
double eg_clock(void);           /* seconds, monotonic */
int64_t eg_resident_bytes(void); /* resident memory of this process; 0 where unknown */
int64_t eg_peak_resident_bytes(void);
int eg_is_terminal(int descriptor);
eg_status eg_output_flush(void); /* fails when anything that was written to standard output is lost */
int eg_terminal_width(void);     /* columns of standard error; 0 when not a terminal */
int eg_process_id(void);
eg_status eg_make_folders(const char *path); /* mkdir -p */
/* As mkdir -p, but the last folder must be new: 1 made, 0 it is there already, -1 on failure. */
int eg_make_own_folder(const char *path);
/* Keeps other processes from locking the folder until this one ends or unlocks: a lock for eg_folder_unlock, -1 while another
 * process holds one, -2 where the file system knows no locks. */
int eg_folder_lock(const char *path);
void eg_folder_unlock(int lock);
int eg_file_kind(const char *path);     /* 0 none, 1 file, 2 folder, 3 other */
int64_t eg_file_size(const char *path); /* -1 when there is none */
int eg_writable(const char *path);      /* 1 when this process may write there */
eg_status eg_rename(const char *from, const char *to);
eg_status eg_file_cut(const char *path, int64_t bytes); /* drops what lies behind; a file that is shorter is an error */
const char *eg_current_folder(void);                    /* of this process, in a buffer of ours; NULL on failure */
eg_status eg_change_folder(const char *path);
int eg_process_alive(int id); /* 1 when there is such a process */
/* The names in a folder, sorted, one a line, in a buffer that the next call reuses; NULL on failure. */
const char *eg_list_folder(const char *path);

/* ---- programs (program.c) --------------------------------------------------------------------------------------------------- */
/* NULL-ended; waits, and hands an interrupt on; exit code, 128 + signal, or -1. */
int eg_run_program(const char *const *arguments);
/* Starts a program with no input, its output added to the file `log`, in a process group of its own; when this process dies, however,
 * it is sent SIGTERM. Its process id, or -1. */
int eg_start_program(const char *const *arguments, const char *log);
/* 1 when a started program has ended, with its exit code (or 128 + signal) in *code; 0 while it runs; -1 on failure. */
int eg_program_ended(int id, int *code);
eg_status eg_signal_program(int id, int number);
void eg_sleep(double seconds); /* a signal ends it early */

#endif
