/* json.c - JSON read by jansson, as a tree of nodes in which every child is reached at once. */
#include <jansson.h>
#include <stdlib.h>

#include "internal.h"

struct eg_json {
  json_t *value;
  const char *key; /* of a member of an object */
  size_t key_length;
  eg_json *child; /* items or members, in the order of the text */
  int64_t children;
};

static void free_children(eg_json *node) {
  for (int64_t i = 0; i < node->children; i++) free_children(&node->child[i]);
  free(node->child);
}

/* Lays out the children of node->value; false when memory runs out. jansson bounds the depth (2,048). */
static bool spread(eg_json *node) {
  json_t *value = node->value;
  int64_t count = (int64_t)(json_is_object(value) ? json_object_size(value) : json_array_size(value));
  node->child = NULL;
  node->children = 0;
  if (count == 0) return true;
  if (!(node->child = eg_malloc((size_t)count * sizeof *node->child))) return false;
  void *member = json_is_object(value) ? json_object_iter(value) : NULL;
  for (int64_t i = 0; i < count; i++) {
    eg_json *child = &node->child[i];
    child->value = member ? json_object_iter_value(member) : json_array_get(value, (size_t)i);
    child->key = member ? json_object_iter_key(member) : NULL;
    child->key_length = member ? json_object_iter_key_len(member) : 0;
    node->children++;
    if (!spread(child)) return false;
    if (member) member = json_object_iter_next(value, member);
  }
  return true;
}

eg_json *eg_json_parse(const char *text, size_t length) {
  json_error_t error;
  if (!text) return eg_fail(EG_EINVAL, "json: there is no text"), NULL;
  eg_json *root = eg_malloc(sizeof *root);
  if (!root) return NULL;
  *root =
      (eg_json){.value = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error)};
  if (root->value && spread(root)) return root;
  if (!root->value) eg_fail(EG_EFORMAT, "json: line %d, column %d: %s", error.line, error.column, error.text);
  eg_json_free(root);
  return NULL;
}

void eg_json_free(eg_json *root) {
  if (!root) return;
  free_children(root);
  json_decref(root->value);
  free(root);
}

int eg_json_kind(const eg_json *value) {
  switch (value ? json_typeof(value->value) : JSON_NULL) {
    case JSON_FALSE: return EG_JSON_FALSE;
    case JSON_TRUE: return EG_JSON_TRUE;
    case JSON_INTEGER:
    case JSON_REAL: return EG_JSON_NUMBER;
    case JSON_STRING: return EG_JSON_STRING;
    case JSON_ARRAY: return EG_JSON_ARRAY;
    case JSON_OBJECT: return EG_JSON_OBJECT;
    default: return EG_JSON_NULL;
  }
}

double eg_json_number(const eg_json *value) { return value ? json_number_value(value->value) : 0; }

const char *eg_json_string(const eg_json *value, size_t *length) {
  bool is_string = value && json_is_string(value->value);
  if (length) *length = is_string ? json_string_length(value->value) : 0;
  return is_string ? json_string_value(value->value) : NULL;
}

int64_t eg_json_size(const eg_json *value) { return value ? value->children : 0; }

const eg_json *eg_json_item(const eg_json *array, int64_t i) {
  return i >= 0 && i < eg_json_size(array) ? &array->child[i] : NULL;
}

const eg_json *eg_json_member(const eg_json *object, int64_t i, const char **key, size_t *length) {
  const eg_json *member = eg_json_item(object, i);
  if (key) *key = member ? member->key : NULL;
  if (length) *length = member ? member->key_length : 0;
  return member;
}
