/* The generator against its published answers, fills against it word by word, their distributions, messages, threads. */
#include "internal.h"
#include "tensors.h"

static void published_answers(void **state) {
  static const uint32_t cases[][10] = {
      {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
      {~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
      {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb, 0x5001e420,
       0x24126ea1},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    uint32_t out[4];
    eg_philox(cases[i], cases[i] + 4, out);
    assert_memory_equal(out, cases[i] + 6, sizeof out);
  }
}

/* Word i from the stream's present counter on. */
static uint32_t word(eg_rng rng, int64_t i) {
  uint64_t block = rng.counter + (uint64_t)i / 4;
  uint32_t out[4];
  eg_philox((uint32_t[]){(uint32_t)block, (uint32_t)(block >> 32), 0, 0},
            (uint32_t[]){(uint32_t)rng.key, (uint32_t)(rng.key >> 32)}, out);
  return out[i % 4];
}

static void blocks_are_the_generators(void **state) {
  for (int64_t count = 0; count < 70; count += 1 + count / 8) {
    eg_rng rng = {0x0123456789abcdef, 0xfffffff0};
    uint32_t *many = calloc((size_t)count * 4 + 1, sizeof *many), one[4];
    many[4 * count] = 77;
    eg_rng_blocks(&rng, 3, count, many);
    for (int64_t b = 0; b < count; b++) {
      eg_rng_block(&rng, (uint64_t)(3 + b), one);
      assert_memory_equal(one, many + 4 * b, sizeof one);
      for (int j = 0; j < 4; j++) assert_int_equal(one[j], word(rng, 4 * (3 + b) + j));
    }
    assert_int_equal(many[4 * count], 77); /* nothing written behind */
    free(many);
  }
  eg_rng rng = {1, 5};
  eg_rng_advance(&rng, 7);
  assert_true(rng.key == 1 && rng.counter == 12);
}

/* Streams differ by name and by seed, and a key is what it has always been. */
static void keys(void **state) {
  static const char *const names[] = {"", "init", "order", "dropout", "replay", "data", "inir", "a rather long name"};
  uint64_t all[COUNT(names) * 3];
  for (size_t i = 0; i < COUNT(all); i++) {
    all[i] = eg_rng_key(i / COUNT(names), names[i % COUNT(names)]);
    for (size_t j = 0; j < i; j++) assert_true(all[i] != all[j]);
  }
  assert_true(eg_rng_key(1, "init") == 0x571fed4d4de5e1d2);
  assert_true(eg_rng_key(1, NULL) == eg_rng_key(1, ""));
}

/* ---- fills against plain formulas over words ---- */

static double unit(eg_rng rng, int64_t i, int dtype) {
  if (dtype == EG_FLOAT32) return (word(rng, i) >> 8) * 0x1p-24;
  return (double)((uint64_t)word(rng, 2 * i) << 21 | word(rng, 2 * i + 1) >> 11) * 0x1p-53;
}

/* floor(x span / 2^64) for the 64 bits x of two words, by halves. */
static uint64_t scaled(eg_rng rng, int64_t i, uint64_t span) {
  uint64_t high = word(rng, 2 * i), low = word(rng, 2 * i + 1), a = span >> 32, b = span & 0xffffffff;
  uint64_t middle = high * b + (low * b >> 32), other = low * a + (middle & 0xffffffff);
  return high * a + (middle >> 32) + (other >> 32);
}

/* Sizes about every edge: of a block, a piece of words, a tile, and of the work that is given to threads. */
static const int64_t counts[] = {0, 1, 2, 3, 4, 5, 511, 512, 513, 1023, 1025, 4099, 16383, 16385, 70001};

static void assert_taken(eg_rng before, eg_rng after, int64_t words) {
  assert_true(after.key == before.key && after.counter == before.counter + (uint64_t)(words + 3) / 4);
}

static void uniform_is_a_scaled_word(void **state) {
  for (size_t c = 0; c < COUNT(counts); c++)
    for (int dtype = 0; dtype < 2; dtype++) {
      eg_tensor *out = fresh(dtype, 1, &counts[c]);
      eg_rng rng = {eg_rng_key(c, "x"), 0xffffff00}, before = rng;
      assert_int_equal(eg_uniform(out, &rng, -3, 5), EG_OK);
      assert_taken(before, rng, counts[c] * (1 + dtype));
      for (int64_t i = 0; i < counts[c]; i++)
        assert_true(fabs(get(out, i) - (-3 + 8 * unit(before, i, dtype))) <= (dtype ? 0x1p-50 : 0x1p-21));
      eg_free(out);
    }
}

/* What Box and Muller's formula gives for element i; float takes the angle's quarter from the word's first bits, so that
 * its angles are those of the formula turned back by an eighth of the circle. */
static double normal(eg_rng rng, int64_t i, int dtype) {
  const double circle = 6.283185307179586;
  double u, angle;
  if (dtype == EG_FLOAT32) {
    uint32_t w = word(rng, i / 2 * 2 + 1);
    u = (word(rng, i / 2 * 2) + 0.5) * 0x1p-32;
    angle = circle / 4 * (w >> 30) + circle / 4 * ((int32_t)(w << 2) * 0x1p-32);
  } else {
    u = 1 - unit(rng, i / 2 * 2, dtype);
    angle = circle * unit(rng, i / 2 * 2 + 1, dtype);
  }
  return sqrt(-2 * log(u)) * (i % 2 ? sin(angle) : cos(angle));
}

static void normal_is_box_and_muller(void **state) {
  for (size_t c = 0; c < COUNT(counts); c++)
    for (int dtype = 0; dtype < 2; dtype++) {
      eg_tensor *out = fresh(dtype, 1, &counts[c]);
      eg_rng rng = {eg_rng_key(c, "x"), 0xffffff00}, before = rng;
      assert_int_equal(eg_normal(out, &rng, 2, 0.5), EG_OK);
      assert_taken(before, rng, counts[c] * (1 + dtype));
      for (int64_t i = 0; i < counts[c]; i++) {
        double error = fabs(get(out, i) - (2 + 0.5 * normal(before, i, dtype)));
        if (!(error <= (dtype ? 1e-14 : 1.2e-6))) fail_msg("element %lld is off by %g", (long long)i, error);
      }
      eg_free(out);
    }
}

static void randint_is_unbiased_scaling(void **state) {
  static const int64_t ranges[][2] = {{1, 10}, {0, 0}, {-7, 12}, {0, 255}, {INT64_MIN, INT64_MAX}, {-1, INT64_MAX - 3}};
  for (size_t r = 0; r < COUNT(ranges); r++)
    for (size_t c = 0; c < COUNT(counts); c += 2)
      for (int dtype = EG_INT64; dtype <= EG_UINT8; dtype++) {
        int64_t low = ranges[r][0], high = ranges[r][1];
        if (dtype == EG_UINT8 && (low < 0 || high > 255)) continue;
        eg_tensor *out = fresh(dtype, 1, &counts[c]);
        eg_rng rng = {eg_rng_key(r, "x"), 9}, before = rng;
        assert_int_equal(eg_randint(out, &rng, low, high), EG_OK);
        assert_taken(before, rng, counts[c] * 2);
        for (int64_t i = 0; i < counts[c]; i++) {
          uint64_t span = (uint64_t)high - (uint64_t)low + 1;
          uint64_t bits = (uint64_t)word(before, 2 * i) << 32 | word(before, 2 * i + 1);
          int64_t expected = (int64_t)((uint64_t)low + (span ? scaled(before, i, span) : bits));
          if (dtype == EG_INT64) assert_true(((int64_t *)out->data)[i] == expected);
          else assert_true(((uint8_t *)out->data)[i] == expected);
        }
        eg_free(out);
      }
}

static void bernoulli_compares_words(void **state) {
  static const double rates[] = {0, 1e-11, 0.25, 1.0 / 3, 0.999, 1};
  for (size_t c = 0; c < COUNT(counts); c += 3)
    for (size_t r = 0; r < COUNT(rates); r++)
      for (int dtype = 0; dtype < 4; dtype++) {
        eg_tensor *out = fresh(dtype, 1, &counts[c]);
        eg_rng rng = {eg_rng_key(r, "x"), 0}, before = rng;
        assert_int_equal(eg_bernoulli(out, &rng, rates[r]), EG_OK);
        assert_taken(before, rng, counts[c]);
        for (int64_t i = 0; i < counts[c]; i++)
          assert_true(get(out, i) == (word(before, i) < floor(rates[r] * 0x1p32)));
        eg_free(out);
      }
}

static void permutations_are_fisher_and_yates(void **state) {
  for (size_t c = 0; c < COUNT(counts); c++) {
    eg_tensor *out = fresh(EG_INT64, 1, &counts[c]);
    eg_rng rng = {eg_rng_key(c, "order"), 3}, before = rng;
    int64_t n = counts[c], *expected = calloc((size_t)n + 1, sizeof *expected);
    assert_int_equal(eg_randperm(out, &rng), EG_OK);
    assert_taken(before, rng, 2 * (n > 1 ? n - 1 : 0));
    for (int64_t i = 0; i < n; i++) expected[i] = i + 1;
    for (int64_t i = n - 1; i > 0; i--) {
      uint64_t other = scaled(before, n - 1 - i, (uint64_t)i + 1);
      int64_t swap = expected[i];
      expected[i] = expected[other], expected[other] = swap;
    }
    assert_memory_equal(out->data, expected, (size_t)n * sizeof *expected);
    free(expected), eg_free(out);
  }
}

static void single_numbers(void **state) {
  eg_rng rng = {eg_rng_key(4, "x"), 41};
  for (int i = 0; i < 100; i++) {
    eg_rng before = rng;
    assert_true(eg_rng_double(&rng) == unit(before, 0, EG_FLOAT64));
    assert_taken(before, rng, 4);
  }
}

/* ---- distributions ---- */

/* Pearson's statistic of `cells` equally likely cells: their number less one on average, with this spread. */
static void assert_even(const int64_t *count, int cells, int64_t total, const char *what) {
  double expected = (double)total / cells, statistic = 0;
  for (int i = 0; i < cells; i++) statistic += (count[i] - expected) * (count[i] - expected) / expected;
  if (fabs(statistic - (cells - 1)) > 5 * sqrt(2.0 * cells)) fail_msg("%s: chi square %g", what, statistic);
}

static void cells_are_filled_evenly(void **state) {
  enum { N = 200000, CELLS = 60 };
  for (int dtype = 0; dtype < 2; dtype++) {
    eg_tensor *out = fresh(dtype, 1, SIZES(N));
    eg_rng rng = {eg_rng_key(1, "even"), 0};
    int64_t uniform[CELLS] = {0}, gaussian[CELLS] = {0}, quarter[4] = {0};
    eg_uniform(out, &rng, 0, CELLS);
    for (int64_t i = 0; i < N; i++) uniform[(int)get(out, i)]++;
    eg_normal(out, &rng, 0, 1);
    for (int64_t i = 0; i < N; i++) gaussian[(int)(CELLS * 0.5 * erfc(-get(out, i) / sqrt(2)))]++;
    for (int64_t i = 0; i < N; i += 2) quarter[(get(out, i) > 0) + 2 * (get(out, i + 1) > 0)]++;
    assert_even(uniform, CELLS, N, "uniform");
    assert_even(gaussian, CELLS, N, "normal");
    assert_even(quarter, 4, N / 2, "signs of a pair");
    eg_free(out);
  }
}

static void places_of_a_permutation_are_even(void **state) {
  enum { SIZE = 5, ORDERS = 120, TIMES = 24000 };
  eg_tensor *out = fresh(EG_INT64, 1, SIZES(SIZE));
  eg_rng rng = {eg_rng_key(1, "even"), 0};
  int64_t seen[ORDERS] = {0};
  for (int time = 0; time < TIMES; time++) {
    eg_randperm(out, &rng);
    int number = 0; /* of this order among all of them */
    for (int i = 0; i < SIZE; i++) {
      int smaller = 0;
      for (int j = i + 1; j < SIZE; j++) smaller += get(out, j) < get(out, i);
      number = number * (SIZE - i) + smaller;
    }
    seen[number]++;
  }
  assert_even(seen, ORDERS, TIMES, "permutations");
  eg_free(out);
}

/* Where rounding would reach the high end, the number before it is given; the low end where there is none between. */
static void uniform_never_reaches_its_end(void **state) {
  static const double ranges[][2] = {{0, 1},     {1, 2},      {1e7, 1e7 + 4}, {-1, -1 + 1e-6}, {1e16, 1e16 + 4},
                                     {0, 1e-44}, {-0.1, 0.1}, {3, 3},         {1, 1 + 1e-12}};
  for (int dtype = 0; dtype < 2; dtype++)
    for (size_t r = 0; r < COUNT(ranges); r++) {
      eg_tensor *out = fresh(dtype, 1, SIZES(40000));
      eg_rng rng = {eg_rng_key(1, "x"), 0};
      double high = ranges[r][1], low = dtype ? ranges[r][0] : (float)ranges[r][0];
      bool empty = dtype ? low == high : low == (float)high;
      assert_int_equal(eg_uniform(out, &rng, ranges[r][0], high), EG_OK);
      for (int64_t i = 0; i < out->count; i++)
        assert_true(empty ? get(out, i) == low : get(out, i) >= low && get(out, i) < high);
      eg_free(out);
    }
}

/* ---- bits, messages ---- */

static void bits_do_not_depend_on_threads(void **state) {
  for (int kind = 0; kind < 6; kind++) {
    int dtype = kind < 4 ? kind % 2 : kind == 4 ? EG_INT64 : EG_UINT8;
    eg_tensor *out = fresh(dtype, 2, SIZES(300, 501)), *first = eg_new_like(out, -1);
    for (int threads = 1; threads <= 4; threads *= 2) {
      eg_rng rng = {5, 3};
      eg_tensor *to = threads == 1 ? first : out;
      eg_threads_set(threads);
      if (kind < 2) assert_int_equal(eg_uniform(to, &rng, 0, 1), EG_OK);
      else if (kind < 4) assert_int_equal(eg_normal(to, &rng, 0, 1), EG_OK);
      else if (kind < 5) assert_int_equal(eg_randint(to, &rng, 0, 100), EG_OK);
      else assert_int_equal(eg_bernoulli(to, &rng, 0.5), EG_OK);
      if (threads > 1) assert_true(same_bits(out, first));
    }
    eg_free(out), eg_free(first);
  }
}

/* What is drawn by arithmetic alone is the same on every machine and with every compiler. */
static void bits_are_the_same_everywhere(void **state) {
  static const uint64_t expected[] = {0xc62b837a5493b7b4, 0xc632cd987763f3f4, 0xac6f05299d7db1b9, 0x28cbec3526fc8078};
  for (int kind = 0; kind < 4; kind++) {
    eg_tensor *out = fresh(kind == 1 ? EG_FLOAT64 : kind == 3 ? EG_INT64 : EG_FLOAT32, 1, SIZES(5001));
    eg_rng rng = {eg_rng_key(1, "everywhere"), 0};
    uint64_t hash = 0xcbf29ce484222325;
    if (kind < 2) eg_uniform(out, &rng, -1, 2);
    else if (kind == 2) eg_normal(out, &rng, 1, 3);
    else eg_randperm(out, &rng);
    for (size_t i = 0; i < (size_t)out->count * eg_element_size(out->dtype); i++)
      hash = (hash ^ ((uint8_t *)out->data)[i]) * 0x100000001b3;
    if (hash != expected[kind]) fail_msg("kind %d: %#llx", kind, (unsigned long long)hash);
    eg_free(out);
  }
}

static void messages(void **state) {
  eg_tensor *single = fresh(EG_FLOAT32, 2, SIZES(2, 3)), *whole = fresh(EG_INT64, 1, SIZES(6)),
            *byte = fresh(EG_UINT8, 1, SIZES(6)), *table = fresh(EG_INT64, 2, SIZES(2, 3)),
            *gaps = scattered(random_tensor(EG_FLOAT32, 2, SIZES(2, 3)));
  eg_rng rng = {1, 2};
  mark(single), mark(whole), mark(byte);
  assert_fails(eg_uniform(NULL, &rng, 0, 1), EG_ERELEASED, "uniform: output was released");
  assert_fails(eg_uniform(whole, &rng, 0, 1), EG_EDTYPE, "uniform: output is (6) int64, expected float32 or float64");
  assert_fails(eg_uniform(gaps, &rng, 0, 1), EG_EINVAL, "uniform: output must be contiguous");
  assert_fails(eg_uniform(single, NULL, 0, 1), EG_EINVAL, "uniform: there is no random stream to draw from");
  assert_fails(eg_uniform(single, &rng, 1, 0), EG_EINVAL, "uniform: the range 1 to 0 is empty or too wide for float32");
  assert_fails(eg_uniform(single, &rng, 0, NAN), EG_EINVAL, "uniform: the range 0 to");
  assert_fails(eg_uniform(single, &rng, 0, INFINITY), EG_EINVAL, "uniform: the range 0 to inf");
  assert_fails(eg_uniform(single, &rng, -3e38, 3e38), EG_EINVAL, "too wide for float32");
  assert_fails(eg_uniform(single, &rng, 1e39, 1e39), EG_EINVAL, "too wide for float32");
  assert_fails(eg_normal(NULL, &rng, 0, 1), EG_ERELEASED, "normal: output was released");
  assert_fails(eg_normal(byte, &rng, 0, 1), EG_EDTYPE, "normal: output is (6) uint8");
  assert_fails(eg_normal(gaps, &rng, 0, 1), EG_EINVAL, "normal: output must be contiguous");
  assert_fails(eg_normal(single, NULL, 0, 1), EG_EINVAL, "normal: there is no random stream");
  assert_fails(eg_normal(single, &rng, 0, -1), EG_EINVAL, "normal: mean 0 and deviation -1 must be finite");
  assert_fails(eg_normal(single, &rng, NAN, 1), EG_EINVAL, "normal: mean");
  assert_fails(eg_normal(single, &rng, 0, 1e39), EG_EINVAL, "normal: mean 0 and deviation 1e+39");
  assert_fails(eg_randint(NULL, &rng, 0, 1), EG_ERELEASED, "randint: output was released");
  assert_fails(eg_randint(single, &rng, 0, 1), EG_EDTYPE, "randint: output is (2, 3) float32, expected int64 or uint8");
  assert_fails(eg_randint(whole, NULL, 0, 1), EG_EINVAL, "randint: there is no random stream");
  assert_fails(eg_randint(whole, &rng, 2, 1), EG_EINVAL,
               "randint: the range 2 to 1 is empty or does not fit into int64");
  assert_fails(eg_randint(byte, &rng, 0, 256), EG_EINVAL, "does not fit into uint8");
  assert_fails(eg_randint(byte, &rng, -1, 2), EG_EINVAL, "does not fit into uint8");
  assert_fails(eg_bernoulli(NULL, &rng, 0.5), EG_ERELEASED, "bernoulli: output was released");
  assert_fails(eg_bernoulli(gaps, &rng, 0.5), EG_EINVAL, "bernoulli: output must be contiguous");
  assert_fails(eg_bernoulli(single, &rng, 1.5), EG_EINVAL, "bernoulli: p is 1.5, expected 0 to 1");
  assert_fails(eg_bernoulli(single, &rng, NAN), EG_EINVAL, "bernoulli: p is");
  assert_fails(eg_bernoulli(single, NULL, 0.5), EG_EINVAL, "bernoulli: there is no random stream");
  assert_fails(eg_randperm(NULL, &rng), EG_ERELEASED, "randperm: output was released");
  assert_fails(eg_randperm(single, &rng), EG_EDTYPE, "randperm: output is (2, 3) float32, expected int64");
  assert_fails(eg_randperm(table, &rng), EG_ESHAPE, "randperm: output has 2 dimensions, expected 1");
  assert_fails(eg_randperm(whole, NULL), EG_EINVAL, "randperm: there is no random stream");
  assert_true(is_marked(single) && is_marked(whole) && is_marked(byte) && rng.counter == 2);
  eg_tensor *all[] = {single, whole, byte, table, gaps};
  for (size_t i = 0; i < COUNT(all); i++) eg_free(all[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(published_answers),
      cmocka_unit_test(blocks_are_the_generators),
      cmocka_unit_test(keys),
      cmocka_unit_test(uniform_is_a_scaled_word),
      cmocka_unit_test(normal_is_box_and_muller),
      cmocka_unit_test(randint_is_unbiased_scaling),
      cmocka_unit_test(bernoulli_compares_words),
      cmocka_unit_test(permutations_are_fisher_and_yates),
      cmocka_unit_test(single_numbers),
      cmocka_unit_test(cells_are_filled_evenly),
      cmocka_unit_test(places_of_a_permutation_are_even),
      cmocka_unit_test(uniform_never_reaches_its_end),
      cmocka_unit_test(bits_do_not_depend_on_threads),
      cmocka_unit_test(bits_are_the_same_everywhere),
      cmocka_unit_test(messages),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
