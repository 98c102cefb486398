/* Tensors, storages, errors and threads: shapes, views, broadcasting, memory accounts, failures of allocation. */
#include "internal.h"
#include "tensors.h"

/* ---- shapes ---- */

static void test_new_tensors_are_row_major(void **state) {
  eg_tensor *t = fresh(EG_FLOAT32, 3, SIZES(2, 3, 4));
  assert_int_equal(t->count, 24);
  assert_memory_equal(t->stride, SIZES(12, 4, 1), 3 * sizeof(int64_t));
  assert_true(t->contiguous);
  assert_int_equal((uintptr_t)t->data % 64, 0);
  eg_free(t);
  t = fresh(EG_INT64, 0, NULL);
  assert_int_equal(t->count, 1);
  eg_free(t);
  t = fresh(EG_UINT8, 2, SIZES(3, 0));
  assert_int_equal(t->count, 0);
  assert_true(t->contiguous);
  eg_free(t);
  eg_free(NULL);
}

static void assert_null_with(const void *pointer, const char *text) {
  assert_null(pointer);
  if (!strstr(eg_error_message(), text)) fail_msg("message '%s' lacks '%s'", eg_error_message(), text);
}

static void test_impossible_shapes_are_refused(void **state) {
  int64_t many[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
  assert_null_with(eg_new(EG_FLOAT32, 9, many), "9 dimensions, at most 8");
  assert_null_with(eg_new(EG_FLOAT32, -1, many), "-1 dimensions");
  assert_null_with(eg_new(EG_FLOAT32, 2, SIZES(3, -2)), "size -2 of dimension 2 is negative");
  assert_null_with(eg_new(4, 1, many), "unknown dtype 4");
  assert_null_with(eg_new(-1, 1, many), "unknown dtype -1");
  assert_null_with(eg_new(EG_UINT8, 2, SIZES(INT64_MAX, 2)), "does not fit into memory");
  assert_null_with(eg_new(EG_FLOAT64, 1, SIZES(INT64_MAX / 4)), "does not fit into memory");
  assert_null_with(eg_new(EG_UINT8, 3, SIZES(0, INT64_MAX, 2)), "does not fit into memory");
  assert_null_with(eg_new(EG_UINT8, 1, SIZES(INT64_MAX)), "out of memory");
  assert_null_with(eg_new(EG_UINT8, 1, SIZES((int64_t)1 << 60)), "out of memory");
}

static void test_shapes_like_others(void **state) {
  eg_tensor *t = fresh(EG_FLOAT64, 3, SIZES(2, 3, 4)), *u;
  u = eg_new_like(t, -1);
  assert_true(eg_same_shape(t, u) && u->dtype == EG_FLOAT64);
  eg_free(u);
  u = eg_new_like(t, EG_UINT8);
  assert_int_equal(u->dtype, EG_UINT8);
  eg_free(u);
  static const struct {
    int dim, keep, dims;
    int64_t size[3];
  } cases[] = {{0, 0, 2, {3, 4}},     {1, 0, 2, {2, 4}},     {2, 0, 2, {2, 3}},   {1, 1, 3, {2, 1, 4}},
               {-1, 0, 0, {0, 0, 0}}, {-1, 1, 3, {1, 1, 1}}, {0, 1, 3, {1, 3, 4}}};
  for (size_t i = 0; i < COUNT(cases); i++) {
    u = eg_new_reduced(t, cases[i].dim, cases[i].keep, -1);
    assert_int_equal(u->dims, cases[i].dims);
    assert_memory_equal(u->size, cases[i].size, (size_t)u->dims * sizeof(int64_t));
    eg_free(u);
  }
  assert_null_with(eg_new_reduced(t, 3, 0, -1), "dimension 4 is out of range for shape (2, 3, 4)");
  assert_null_with(eg_new_reduced(NULL, 0, 0, -1), "released");
  assert_null_with(eg_new_like(NULL, -1), "released");
  eg_free(t);
}

static void test_broadcast_shapes(void **state) {
  static const struct {
    int a_dims, b_dims, dims; /* dims < 0: they do not fit */
    int64_t a[3], b[3], size[3];
  } cases[] = {
      {2, 2, 2, {3, 4}, {3, 4}, {3, 4}}, {2, 1, 2, {3, 4}, {4}, {3, 4}},  {3, 2, 3, {2, 1, 4}, {3, 1}, {2, 3, 4}},
      {0, 2, 2, {0}, {3, 4}, {3, 4}},    {2, 1, 2, {0, 4}, {1}, {0, 4}},  {1, 2, 2, {1}, {1, 0}, {1, 0}},
      {2, 1, -1, {3, 4}, {3}, {0}},      {2, 2, -1, {2, 3}, {3, 3}, {0}}, {1, 1, -1, {0}, {2}, {0}}};
  for (size_t i = 0; i < COUNT(cases); i++) {
    eg_tensor *a = fresh(EG_FLOAT32, cases[i].a_dims, cases[i].a), *b = fresh(EG_FLOAT32, cases[i].b_dims, cases[i].b);
    for (int swap = 0; swap < 2; swap++) {
      eg_tensor *both = swap ? eg_new_broadcast(b, a, -1) : eg_new_broadcast(a, b, EG_UINT8);
      if (cases[i].dims < 0) {
        assert_null_with(both, "shapes do not broadcast: ");
        continue;
      }
      assert_int_equal(both->dims, cases[i].dims);
      assert_int_equal(both->dtype, swap ? EG_FLOAT32 : EG_UINT8);
      assert_memory_equal(both->size, cases[i].size, (size_t)both->dims * sizeof(int64_t));
      eg_free(both);
    }
    eg_free(a), eg_free(b);
  }
  assert_null_with(eg_new_broadcast(NULL, NULL, -1), "first operand was released");
}

/* ---- views ---- */

static void test_views_share_memory(void **state) {
  eg_tensor *t = random_tensor(EG_FLOAT32, 2, SIZES(3, 4));
  eg_tensor *turned = eg_view(t, 2, SIZES(4, 3), SIZES(1, 4), 0), *column = eg_view(t, 1, SIZES(3), SIZES(4), 2);
  assert_false(turned->contiguous);
  assert_int_equal(eg_storage_users(t), 3);
  for (int i = 0; i < 3; i++) {
    assert_true(get(column, i) == get(t, i * 4 + 2));
    for (int j = 0; j < 4; j++) assert_true(get(turned, j * 3 + i) == get(t, i * 4 + j));
  }
  eg_tensor *back = eg_view(column, 1, SIZES(12), SIZES(1), -2); /* from a view to what lies before it */
  assert_true(back->data == t->data && back->contiguous);
  eg_free(t);
  put(turned, 0, 7);
  assert_true(get(back, 0) == 7);
  eg_free(turned), eg_free(column), eg_free(back);
}

static void test_versions_count_changes(void **state) {
  eg_tensor *t = fresh(EG_FLOAT32, 1, SIZES(3));
  eg_storage_touch(t);
  eg_tensor *alias = eg_alias(t);
  assert_int_equal(alias->version, 1);
  eg_storage_touch(alias);
  assert_int_equal(eg_storage_version(t), 2);
  assert_int_equal(t->version, 0);
  assert_null_with(eg_alias(NULL), "released");
  eg_free(t), eg_free(alias);
}

static void test_views_outside_the_storage_are_refused(void **state) {
  eg_tensor *t = fresh(EG_FLOAT32, 2, SIZES(3, 4)), *tail = eg_view(t, 1, SIZES(2), SIZES(1), 10), *view;
  static const struct {
    int64_t size[2], stride[2], offset;
  } bad[] = {{{3, 5}, {4, 1}, 0},
             {{4, 4}, {4, 1}, 0},
             {{3, 4}, {4, 1}, 1},
             {{1, 1}, {1, 1}, -1},
             {{2, 2}, {-1, 1}, 5},
             {{1, 1}, {1, 1}, 12},
             {{2, 1}, {INT64_MAX, 1}, 1},
             {{3, 1}, {INT64_MAX, 1}, 0},
             {{1, 1}, {1, 1}, INT64_MAX},
             {{1, 1}, {1, 1}, INT64_MIN},
             {{2, 2}, {INT64_MAX / 2 + 1, INT64_MAX / 2 + 1}, 0}};
  for (size_t i = 0; i < COUNT(bad); i++)
    assert_null_with(eg_view(t, 2, bad[i].size, bad[i].stride, bad[i].offset),
                     "reaches outside the tensor (3, 4) float32");
  assert_null_with(eg_view(tail, 1, SIZES(1), SIZES(1), INT64_MAX), "reaches outside");
  assert_null_with(eg_view(tail, 1, SIZES(1), SIZES(1), 2), "reaches outside");
  assert_null_with(eg_view(tail, 1, SIZES(1), SIZES(1), -11), "reaches outside");
  assert_null_with(eg_view(NULL, 1, SIZES(1), SIZES(1), 0), "released");
  view = eg_view(t, 2, SIZES(0, 99), SIZES(5, 5), 12); /* nothing lies nowhere */
  assert_non_null(view);
  eg_free(view);
  view = eg_view(t, 2, SIZES(1000, 4), SIZES(0, 1), 8); /* one row, many times */
  assert_int_equal(view->count, 4000);
  assert_fails(eg_check_distinct("op", "output", view), EG_EINVAL, "op: elements of output share memory");
  eg_free(view), eg_free(tail), eg_free(t);
}

static void test_distinct_elements(void **state) {
  static const struct {
    int64_t size[3], stride[3];
    bool distinct;
  } cases[] = {{{3, 4, 2}, {1, 3, 12}, true}, {{3, 4, 2}, {8, 2, 1}, true},  {{3, 4, 2}, {0, 2, 1}, false},
               {{1, 4, 2}, {0, 2, 1}, true},  {{3, 4, 2}, {7, 2, 1}, false}, {{2, 2, 2}, {1, 1, 1}, false},
               {{5, 2, 1}, {2, 1, 0}, true},  {{5, 3, 1}, {2, 1, 0}, false}};
  eg_tensor *t = fresh(EG_UINT8, 1, SIZES(100));
  for (size_t i = 0; i < COUNT(cases); i++) {
    eg_tensor *view = eg_view(t, 3, cases[i].size, cases[i].stride, 0);
    assert_int_equal(eg_check_distinct("op", "output", view) == EG_OK, cases[i].distinct);
    eg_free(view);
  }
  eg_tensor *low = eg_view(t, 1, SIZES(50), SIZES(1), 0), *high = eg_view(t, 1, SIZES(50), SIZES(1), 50);
  eg_tensor *middle = eg_view(t, 1, SIZES(2), SIZES(30), 20), *nothing = eg_view(t, 1, SIZES(0), SIZES(1), 20);
  assert_false(eg_overlap(low, high));
  assert_true(eg_overlap(low, middle) && eg_overlap(middle, high) && eg_overlap(t, middle));
  assert_false(eg_overlap(nothing, t) || eg_overlap(t, nothing));
  eg_free(low), eg_free(high), eg_free(middle), eg_free(nothing), eg_free(t);
}

/* The strides that a view of this shape must have, read off the places of its elements; false when there are none. */
static bool strides_exist(const eg_tensor *t, int dims, const int64_t *size) {
  int64_t step[8], unit = 1;
  for (int d = dims - 1; d >= 0; d--) {
    step[d] = size[d] > 1 ? place(t, unit) - place(t, 0) : 0;
    unit *= size[d];
  }
  for (int64_t i = 0; i < t->count; i++) {
    int64_t at = place(t, 0), rest = i;
    for (int d = dims - 1; d >= 0; d--) {
      at += rest % size[d] * step[d];
      rest /= size[d];
    }
    if (at != place(t, i)) return false;
  }
  return true;
}

static void test_shapes_split_and_merge_wherever_strides_allow(void **state) {
  static const int64_t shapes[][4] = {{24, 1, 1, 1}, {2, 12, 1, 1}, {12, 2, 1, 1}, {2, 3, 4, 1}, {4, 3, 2, 1},
                                      {1, 2, 3, 4},  {2, 1, 12, 1}, {6, 4, 1, 1},  {4, 6, 1, 1}, {3, 8, 1, 1},
                                      {8, 3, 1, 1},  {2, 2, 2, 3},  {1, 1, 24, 1}, {3, 2, 2, 2}};
  static const int orders[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 0, 2, 3}, {2, 0, 1, 3}, {0, 2, 1, 3}, {0, 1, 3, 2}};
  int seen = 0, refused = 0;
  for (size_t s = 0; s < COUNT(shapes); s++)
    for (size_t o = 0; o < COUNT(orders); o++)
      for (size_t w = 0; w < COUNT(shapes); w++)
        for (int dims = 1; dims <= 4; dims++) {
          int64_t size[4], stride[4], row_major[4], count = 1;
          for (int d = 0; d < dims; d++) count *= shapes[w][d];
          if (count != 24) continue;
          eg_row_major(4, shapes[s], row_major);
          for (int d = 0; d < 4; d++) size[d] = shapes[s][orders[o][d]], stride[d] = row_major[orders[o][d]];
          eg_tensor *whole = fresh(EG_UINT8, 4, shapes[s]), *t = eg_view(whole, 4, size, stride, 0);
          for (int64_t i = 0; i < 24; i++) put(whole, i, (double)i);
          eg_tensor *view = eg_view_shape(t, dims, shapes[w]);
          assert_int_equal(view != NULL, strides_exist(t, dims, shapes[w]));
          for (int64_t i = 0; view && i < 24; i++) assert_true(get(view, i) == get(t, i));
          if (view) seen++;
          else refused++, assert_null_with(view, "cannot be seen as");
          eg_free(view), eg_free(t), eg_free(whole);
        }
  assert_true(seen > 100 && refused > 100);
}

static void test_view_shape_at_the_edges(void **state) {
  eg_tensor *t = fresh(EG_FLOAT32, 2, SIZES(3, 0)), *view = eg_view_shape(t, 3, SIZES(0, 7, 2));
  assert_non_null(view);
  eg_free(view);
  assert_null_with(eg_view_shape(t, 1, SIZES(3)), "shape (3) has 3 elements, the tensor (3, 0) has 0");
  eg_free(t);
  t = fresh(EG_FLOAT32, 0, NULL);
  view = eg_view_shape(t, 3, SIZES(1, 1, 1));
  assert_non_null(view);
  eg_tensor *scalar = eg_view_shape(view, 0, NULL);
  assert_int_equal(scalar->dims, 0);
  eg_free(scalar), eg_free(view), eg_free(t);
  t = fresh(EG_FLOAT32, 1, SIZES(1));
  eg_tensor *wide = eg_view(t, 2, SIZES(5, 4), SIZES(0, 0), 0);
  view = eg_view_shape(wide, 1, SIZES(20)); /* expanded dimensions merge */
  assert_int_equal(view->stride[0], 0);
  eg_free(view), eg_free(wide), eg_free(t);
  assert_null_with(eg_view_shape(NULL, 0, NULL), "released");
}

/* ---- memory ---- */

static void test_every_failed_allocation_is_reported_and_leaves_nothing(void **state) {
  eg_tensor *t = random_tensor(EG_FLOAT32, 2, SIZES(5, 7)), *turned = eg_view(t, 2, SIZES(7, 5), SIZES(1, 7), 0);
  int64_t bytes = eg_live_bytes(), tensors = eg_live_tensors();
  for (int which = 0; which < 6; which++)
    for (int64_t after = 0;; after++) {
      eg_tensor *made;
      eg_alloc_fail_after(after);
      switch (which) {
        case 0: made = eg_new(EG_FLOAT32, 1, SIZES(1000)); break;
        case 1: made = eg_new_like(t, -1); break;
        case 2: made = eg_new_broadcast(t, t, -1); break;
        case 3: made = eg_new_reduced(t, 0, 0, -1); break;
        case 4: made = eg_view(t, 1, SIZES(3), SIZES(1), 0); break;
        default: made = eg_view_shape(turned, 3, SIZES(7, 1, 5));
      }
      eg_alloc_fail_after(-1);
      if (made) {
        assert_int_equal(after, which < 4 ? 3 : 1); /* header, storage, elements; a view is a header */
        eg_free(made);
        break;
      }
      assert_null_with(made, "out of memory");
      assert_int_equal(eg_live_bytes(), bytes);
      assert_int_equal(eg_live_tensors(), tensors);
      assert_int_equal(eg_storage_users(t), 2);
    }
  eg_free(turned), eg_free(t);
}

static void test_the_memory_limit_holds(void **state) {
  eg_memory_limit(eg_live_bytes() + (1 << 20));
  assert_null_with(eg_new(EG_UINT8, 1, SIZES(2 << 20)), "out of memory: 2097152 bytes asked for");
  eg_tensor *t = eg_new(EG_UINT8, 1, SIZES(1 << 19));
  assert_non_null(t);
  assert_null_with(eg_new(EG_UINT8, 1, SIZES(1 << 19)), "out of memory");
  eg_free(t);
  eg_memory_limit(0);
  t = eg_new(EG_UINT8, 1, SIZES(2 << 20));
  assert_non_null(t);
  eg_free(t);
}

static void test_freed_blocks_come_back(void **state) {
  eg_pool_trim();
  assert_int_equal(eg_pooled_bytes(), 0);
  int64_t before = eg_live_bytes();
  eg_tensor *t = fresh(EG_FLOAT32, 1, SIZES(1000));
  const void *data = t->data;
  int64_t held = eg_live_bytes() - before;
  assert_true(held >= 4000 && held < 6000);
  assert_true(eg_peak_bytes() >= eg_live_bytes());
  eg_free(t);
  assert_int_equal(eg_live_bytes(), before);
  assert_int_equal(eg_pooled_bytes(), held);
  t = fresh(EG_FLOAT32, 1, SIZES(1000));
  assert_ptr_equal(t->data, data);
  assert_int_equal(eg_pooled_bytes(), 0);
  eg_handle handle = {.tensor = t};
  eg_handle_drop(&handle);
  eg_handle_drop(&handle);
  assert_null(handle.tensor);
  eg_pool_trim();
  assert_int_equal(eg_pooled_bytes(), 0);
}

static void test_blocks_of_every_size_fit_their_class(void **state) {
  for (size_t bytes = 0; bytes < 5000; bytes++) {
    int64_t before = eg_live_bytes();
    unsigned char *block = eg_block_new(bytes);
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % 64, 0);
    memset(block, 1, bytes);
    int64_t held = eg_live_bytes() - before;
    assert_true(held >= (int64_t)bytes && held <= (int64_t)EG_MAX(64, bytes + bytes / 8 + 64));
    eg_block_free(block, bytes);
    assert_int_equal(eg_live_bytes(), before);
  }
  assert_null_with(eg_block_new(SIZE_MAX), "out of memory");
}

/* ---- interrupts and messages ---- */

static void test_an_interrupt_stops_new_tensors(void **state) {
  eg_interrupt_set(1);
  assert_null_with(eg_new(EG_FLOAT32, 0, NULL), "interrupted");
  eg_interrupt_trap(1);
  eg_tensor *t = eg_new(EG_FLOAT32, 0, NULL);
  assert_non_null(t);
  assert_int_equal(eg_interrupt_get(), 1);
  eg_interrupt_trap(0);
  eg_interrupt_set(0);
  eg_free(t);
}

/* What makes something new says so; what may change a tensor in place is done to its end. A trapped flag stops nothing. */
static void test_an_interrupt_ends_kernels(void **state) {
  eg_tensor *a = eg_new(EG_FLOAT32, 2, SIZES(600, 600)), *b = eg_new_like(a, -1), *sum = eg_new(EG_FLOAT32, 0, NULL);
  eg_tensor *order = eg_new(EG_INT64, 2, SIZES(600, 600));
  const eg_sgd hyper = {.lr = 1};
  assert_int_equal(eg_fill(a, 1), EG_OK);
  eg_interrupt_set(2);
  for (int threads = 1; threads <= 2; threads++) {
    assert_int_equal(eg_threads_set(threads), EG_OK);
    assert_fails(eg_matmul(b, a, a), EG_EINTR, "interrupted");
    assert_fails(eg_reduce(EG_SUM, sum, a, -1), EG_EINTR, "interrupted");
    assert_fails(eg_sort(b, order, a, 1, 0), EG_EINTR, "interrupted");
    assert_int_equal(eg_binary_scalar(EG_ADD, a, a, 1, 0), EG_OK);
    assert_int_equal(eg_fill(b, 1), EG_OK);
    assert_int_equal(eg_sgd_step(a, b, NULL, &hyper), EG_OK);
    for (int64_t i = 0; i < a->count; i++) assert_true(((float *)a->data)[i] == 1);
  }
  eg_interrupt_trap(1);
  assert_int_equal(eg_matmul(b, a, a), EG_OK);
  eg_interrupt_trap(0);
  eg_interrupt_set(0);
  assert_int_equal(eg_reduce(EG_SUM, sum, b, -1), EG_OK);
  assert_true(*(float *)sum->data == 600.0f * 600.0f * 600.0f);
  eg_tensor *all[] = {a, b, sum, order};
  for (size_t i = 0; i < COUNT(all); i++) eg_free(all[i]);
}

static void test_messages_describe_tensors(void **state) {
  int64_t most = INT64_MAX, large[8] = {most, most, most, most, most, most, most, most};
  assert_string_equal(eg_describe_sizes(0, NULL), "()");
  assert_string_equal(eg_describe_sizes(2, SIZES(3, 4)), "(3, 4)");
  assert_int_equal(strlen(eg_describe_sizes(8, large)), 8 * 19 + 7 * 2 + 2);
  assert_string_equal(eg_describe(NULL), "released tensor");
  assert_string_equal(eg_dtype_name(9), "unknown dtype");
  eg_tensor *a = fresh(EG_INT64, 1, SIZES(3)), *b = fresh(EG_FLOAT32, 2, SIZES(3, 4));
  assert_string_equal(eg_describe(a), "(3) int64");
  assert_fails(eg_check_real("op", "x", a), EG_EDTYPE, "op: x is (3) int64, expected float32 or float64");
  assert_fails(eg_check_dtype("op", "x", b, EG_UINT8), EG_EDTYPE, "op: x is (3, 4) float32, expected uint8");
  assert_fails(eg_check_dims("op", "x", a, 2), EG_ESHAPE, "op: x has 1 dimensions, expected 2: (3) int64");
  assert_fails(eg_check_same_shape("op", "x", a, "y", b), EG_ESHAPE, "op: shapes differ: x (3), y (3, 4)");
  assert_fails(eg_check_same_dtype("op", "x", a, "y", b), EG_EDTYPE,
               "op: dtypes differ: x (3) int64, y (3, 4) float32");
  assert_fails(eg_check_shape("op", "x", a, 1, SIZES(4)), EG_ESHAPE, "op: x has shape (3), expected (4)");
  assert_fails(eg_check_live("op", "x", NULL), EG_ERELEASED, "op: x was released");
  eg_free(a), eg_free(b);
}

/* ---- threads ---- */

enum { TILES = 1000 };
typedef struct {
  int visits[TILES], inner[TILES], strangers;
} visit_log;

static void count_inner(void *context, int64_t tile) { ((int *)context)[tile]++; }

static void visit(void *context, int64_t tile) {
  visit_log *log = context;
  log->visits[tile]++;
  if (eg_thread_number() < 0 || eg_thread_number() >= eg_threads_get())
    __atomic_add_fetch(&log->strangers, 1, __ATOMIC_RELAXED);
  if (tile < 10) eg_parallel(10, count_inner, log->inner + tile * 10); /* work inside work stays on its thread */
}

static void test_each_tile_is_visited_once(void **state) {
  static const int counts[] = {1, 2, 4, 2, 7, 1, 3};
  for (size_t c = 0; c < COUNT(counts); c++) {
    assert_int_equal(eg_threads_set(counts[c]), EG_OK);
    assert_int_equal(eg_threads_get(), counts[c]);
    for (int64_t tiles = 0; tiles <= TILES; tiles = tiles * 3 + 1) {
      visit_log log = {0};
      eg_parallel(tiles, visit, &log);
      for (int64_t i = 0; i < TILES; i++) assert_int_equal(log.visits[i], i < tiles);
      for (int64_t i = 0; i < 100; i++) assert_int_equal(log.inner[i], i / 10 < tiles);
      assert_int_equal(log.strangers, 0);
    }
  }
  assert_fails(eg_threads_set(0), EG_EINVAL, "threads: 0 is out of range, expected 1 to 256");
  assert_fails(eg_threads_set(257), EG_EINVAL, "threads: 257 is out of range");
  assert_int_equal(eg_threads_get(), 3);
  assert_true(eg_cores() >= 1);
  assert_non_null(strstr(eg_blas(), "OpenBLAS"));
  assert_non_null(strstr(eg_build(), "gcc"));
}

static int nothing_is_left(void **state) {
  assert_int_equal(eg_live_tensors(), 0);
  assert_int_equal(eg_live_bytes(), 0);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(test_new_tensors_are_row_major, nothing_is_left),
      cmocka_unit_test_teardown(test_impossible_shapes_are_refused, nothing_is_left),
      cmocka_unit_test_teardown(test_shapes_like_others, nothing_is_left),
      cmocka_unit_test_teardown(test_broadcast_shapes, nothing_is_left),
      cmocka_unit_test_teardown(test_views_share_memory, nothing_is_left),
      cmocka_unit_test_teardown(test_versions_count_changes, nothing_is_left),
      cmocka_unit_test_teardown(test_views_outside_the_storage_are_refused, nothing_is_left),
      cmocka_unit_test_teardown(test_distinct_elements, nothing_is_left),
      cmocka_unit_test_teardown(test_shapes_split_and_merge_wherever_strides_allow, nothing_is_left),
      cmocka_unit_test_teardown(test_view_shape_at_the_edges, nothing_is_left),
      cmocka_unit_test_teardown(test_every_failed_allocation_is_reported_and_leaves_nothing, nothing_is_left),
      cmocka_unit_test_teardown(test_the_memory_limit_holds, nothing_is_left),
      cmocka_unit_test_teardown(test_freed_blocks_come_back, nothing_is_left),
      cmocka_unit_test_teardown(test_blocks_of_every_size_fit_their_class, nothing_is_left),
      cmocka_unit_test_teardown(test_an_interrupt_stops_new_tensors, nothing_is_left),
      cmocka_unit_test_teardown(test_an_interrupt_ends_kernels, nothing_is_left),
      cmocka_unit_test_teardown(test_messages_describe_tensors, nothing_is_left),
      cmocka_unit_test_teardown(test_each_tile_is_visited_once, nothing_is_left),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
