// The followers of a turn's lens records: each is told how far they are, one
// message at a time, and reads them where they are kept. One that is slow hears
// of more at once; one that dies is forgotten.
#include <algorithm>
#include <caf/all.hpp>

#include "actors/generation.hpp"

namespace lamina {

lens_grew generation_state::follow(const follow_lens& m) {
  follower f;
  f.handle = m.follower;
  f.told = lens_known_end();
  f.told_settled = lens_settled();
  self->monitor(m.follower);
  followers.push_back(f);
  return {f.told, f.told_settled};
}

/// Records of all positions below `end` are there.
void generation_state::lens_at(position_t end) {
  if (end <= lens_end) return;
  lens_end = end;
  tell_followers();
}

/// Those of a whole chunk, or of the tail that ends the turn.
void generation_state::lens_done(std::uint32_t index) {
  lens_chunks.insert(index);
  auto next = chunk_of(lens_end);
  while (lens_chunks.erase(next) != 0)
    ++next;
  lens_at(std::min(first_position(next), log.size()));
}

void generation_state::tell_followers() {
  for (auto& f : followers)
    tell(f);
}

void generation_state::tell(follower& f) {
  const lens_grew news{lens_known_end(), lens_settled()};
  if (f.taking || (news.end == f.told && news.settled == f.told_settled))
    return;
  f.taking = true;
  f.told = news.end;
  f.told_settled = news.settled;
  const auto who = f.handle.address();
  self->request(f.handle, caf::infinite, news)
      .then(
          [this, who](const growth_taken&) {
            for (auto& other : followers) {
              if (other.handle.address() != who) continue;
              other.taking = false;
              tell(other);
            }
          },
          [this, who](const caf::error&) { leave(who); });
}

}  // namespace lamina
