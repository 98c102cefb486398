/* english_exceptions.c - words that English cuts in ways of their own: contractions, abbreviations, times, faces. They are those of
 * spaCy from 3.4 on. */
#include <ctype.h>
#include <pthread.h>
#include <stdio.h>

#include "text.h"

/* Each stem with each ending; | stands where the word is cut, and between stem and ending. All are also there with a capital. */
static const struct {
  const char *stems, *endings;
} contractions[] = {
    {"i", "'m m 'm|a m|a"},
    {"i you he she it we they", "'ll ll 'll|'ve ll|ve 'd d 'd|'ve d|ve"},
    {"i you we they", "'ve ve"},
    {"you we they", "'re re"},
    {"he she it", "'s s"},
    {"who what when where why how there that this", "'s s"},
    {"who what when where why how there that this these those", "'ll ll 'll|'ve ll|ve 'd d 'd|'ve d|ve"},
    {"who what when where why how there these those", "'re re 've ve"},
    {"ca could do does did had may might must need ought sha should wo would", "n't nt n't|'ve nt|ve"},
    {"could might must should would", "'ve ve"},
    {"ai are is was were have has dare", "n't nt"},
    {"y", "'|all all"},
    {"can", "not"},
    {"not", "'ve ve"},
    {"gon", "na"},
    {"got", "ta"},
    {"let", "'s"},
    {"c'm", "on"},
    {"how", "'d|'y"},
};

/* What a contraction without its apostrophe would be, but another word is. */
static const char *const others = " ill its hell shell shed were well whore ";

/* Words that are not cut: as they are written. */
static const char *const whole[] = {
    "' '' ''' 's 'S ’s ’S ‘s ‘S 're 'd and/or w/o C++ ma'am Ma'am o'clock O'clock 'Cause 'cause cause 'cos 'Cos 'coz "
    "'Coz 'cuz 'Cuz",
    "'bout 'em em 'll ll 'nuff nuff doin doin' Doin Doin' goin goin' Goin Goin' nothin nothin' Nothin Nothin' nuthin "
    "nuthin' Nuthin",
    "Nuthin' ol ol' Ol Ol' somethin somethin' Somethin Somethin' lovin lovin' Lovin Lovin' havin havin' Havin Havin'",
    "a. b. c. d. e. f. g. h. i. j. k. l. m. n. o. p. q. r. s. t. u. v. w. x. y. z. ä. ö. ü.",
    "Mt. Ak. Ala. Apr. Ariz. Ark. Aug. Calif. Colo. Conn. Dec. Del. Feb. Fla. Ga. Ia. Id. Ill. Ind. Jan. Jul. Jun. "
    "Kan. Kans. Ky. La.",
    "Mar. Mass. Mich. Minn. Miss. N.C. N.D. N.H. N.J. N.M. N.Y. Neb. Nebr. Nev. Nov. Oct. Okla. Ore. Pa. S.C. Sep. "
    "Sept. Tenn. Va.",
    "Wash. Wis. a.m. Adm. Bros. co. Co. Corp. D.C. Dr. e.g. E.g. E.G. Gen. Gov. i.e. I.e. I.E. Inc. Jr. Ltd. Md. "
    "Messrs. Mo. Mont.",
    "Mr. Mrs. Ms. p.m. Ph.D. Prof. Rep. Rev. Sen. St. vs. v.s.",
    ":) :-) :)) :-)) :))) :-))) (: (-: =) (= :] :-] [: [-: [= =] :o) (o: :} :-} 8) 8-) (-8 ;) ;-) (; (-; :( :-( :(( "
    ":-(( :((( :-(((",
    "): )-: =( >:( :') :'-) :'( :'-( :/ :-/ =/ =| :| :-| ]= =[ :1 :P :-P :p :-p :O :-O :o :-o :0 :-0 :() >:o :* :-* :3 "
    ":-3 =3 :> :->",
    ":X :-X :x :-x :D :-D ;D ;-D =D xD XD xDD XDD 8D 8-D ^_^ ^__^ ^___^ >.< >.> <.< ._. ;_; -_- -__- v.v V.V v_v V_V "
    "o_o o_O O_o O_O",
    "0_o o_0 0_0 o.O O.o O.O o.o 0.0 o.0 0.o @_@ <3 <33 <333 </3 (^_^) (-_-) (._.) (>_<) (*_*) >< ><(((*>",
};

enum { MOST = 2048, LONGEST = 24, PIECES = 4 };
static eg_words *table;
static uint8_t cuts[MOST][PIECES]; /* by the number of the word */
static bool failed;

/* Adds a word, with | where it is cut (one at its end is the sign itself); the lengths of its pieces are those of its last mention. */
static void add(const char *pieces) {
  char word[3 * LONGEST];
  uint8_t cut[PIECES] = {0};
  size_t length = 0, begin = 0;
  int n = 0;
  for (const char *p = pieces; *p; p++) {
    if (*p != '|' || !p[1]) word[length++] = *p;
    if (*p == '|' || !p[1]) {
      cut[n++] = (uint8_t)(length - begin);
      begin = length;
    }
  }
  int64_t number = eg_words_add(table, word, length);
  if (number == 0 || number >= MOST) failed = true;
  else memcpy(cuts[number], cut, sizeof cut);
}

/* Also with the apostrophe that typesetters use. */
static void add_both(const char *pieces) {
  char curly[3 * LONGEST];
  size_t n = 0;
  for (const char *p = pieces; *p && n + 4 < sizeof curly; p++) {
    if (*p == '\'') n += (size_t)sprintf(curly + n, "’");
    else curly[n++] = *p;
  }
  curly[n] = 0;
  add(pieces);
  if (strchr(pieces, '\'')) add(curly);
}

/* The next of the words between spaces, copied; false at the end. */
static bool next_word(const char **list, char word[LONGEST]) {
  size_t length = strcspn(*list, " ");
  if (length == 0) return false;
  memcpy(word, *list, length);
  word[length] = 0;
  *list += length + ((*list)[length] == ' ');
  return true;
}

static void add_contraction(const char *stem, const char *ending) {
  char word[3 * LONGEST], plain[3 * LONGEST];
  sprintf(word, "%s|%s", stem, ending);
  sprintf(plain, " %s%s ", stem, ending);
  if (strstr(others, plain)) return;
  if (strcmp(ending, "'|all") == 0) sprintf(word, "y'|all");
  add_both(word);
  word[0] = (char)toupper(word[0]);
  add_both(word);
}

static void fill(void) {
  char stem[LONGEST], ending[LONGEST], word[LONGEST];
  for (size_t i = 0; i < sizeof contractions / sizeof *contractions; i++) {
    for (const char *stems = contractions[i].stems; next_word(&stems, stem);)
      for (const char *endings = contractions[i].endings; next_word(&endings, ending);) add_contraction(stem, ending);
  }
  for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
    for (const char *list = whole[i]; next_word(&list, word);) add_both(word);
  for (int hour = 1; hour <= 12; hour++)
    for (const char *list = "a.m. am p.m. pm"; next_word(&list, word);) {
      char time[2 * LONGEST];
      snprintf(time, sizeof time, "%d|%s", hour, word);
      add(time);
    }
}

bool eg_english_ready(void) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  static bool ready;
  if (__atomic_load_n(&ready, __ATOMIC_ACQUIRE)) return true;
  pthread_mutex_lock(&lock);
  if (!ready) {
    failed = !(table = eg_words_new());
    if (!failed) fill();
    if (failed) {
      eg_words_free(table);
      table = NULL;
    }
    __atomic_store_n(&ready, !failed, __ATOMIC_RELEASE);
  }
  pthread_mutex_unlock(&lock);
  return ready;
}

const uint8_t *eg_english_exception(const char *word, size_t length) {
  if (length > LONGEST) return NULL;
  int64_t number = eg_words_find(table, word, length);
  return number ? cuts[number] : NULL;
}
