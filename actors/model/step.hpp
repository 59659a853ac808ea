// One step of the engine: which new positions of which sequences it forwards,
// and where their activations go. Kept between steps for its memory; engine's
// thread.
#pragma once

#include <cstddef>
#include <vector>

#include "actors/model/arch/architecture.hpp"
#include "actors/model/capture.hpp"
#include "actors/model/kernels/attention.hpp"
#include "actors/model/sequence.hpp"

namespace lamina {

/// The new positions of a step, sequence after sequence.
struct step_plan {
  std::vector<token_id> tokens;
  std::vector<step_span> spans;
  std::vector<sequence*> owners;  // of each span

  void clear();

  /// The next `count` pending tokens of a sequence, which its cache counts
  /// from now on.
  void add(sequence& s, std::size_t count);

  /// As if nothing had been planned: the caches forget what they counted.
  void undo();
};

/// Writes each activation of a step into the chunks of those who want it.
class chunk_writer final : public activation_sink {
 public:
  void prepare(const step_plan& plan, capture_shape shape);

  void activations(std::uint32_t slot, const float* rows) override;
  void copied_activations(std::uint32_t slot, const std::byte* rows) override;
  bool wanted() const override;

  /// Where a row of the step went; no chunk when nobody wanted it.
  const capture::place& at(std::uint32_t row) const { return places_[row]; }

 private:
  capture_shape shape_;
  std::vector<capture::place> places_;  // of each row of the step
};

}  // namespace lamina
