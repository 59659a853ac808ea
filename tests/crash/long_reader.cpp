// A reader of another program that does not let go: opens a store's LMDB file,
// takes a snapshot, says `reading`, and holds it until standard input ends.
//
//     crash_long_reader DIRECTORY
#include <lmdb.h>

#include <cstdio>

int main(int argc, char** argv) {
  MDB_env* env = nullptr;
  MDB_txn* snapshot = nullptr;
  const bool reading = argc == 2 && mdb_env_create(&env) == 0 &&
                       mdb_env_set_maxdbs(env, 16) == 0 &&
                       mdb_env_open(env, argv[1], MDB_RDONLY, 0600) == 0 &&
                       mdb_txn_begin(env, nullptr, MDB_RDONLY, &snapshot) == 0;
  if (reading) {
    std::puts("reading");
    std::fflush(stdout);
    while (std::getchar() != EOF) {
    }
    mdb_txn_abort(snapshot);
  }
  if (env != nullptr) mdb_env_close(env);
  if (!reading)
    std::fputs("crash_long_reader: cannot read the store\n", stderr);
  return reading ? 0 : 1;
}
