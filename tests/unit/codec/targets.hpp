// Runs a test once for every instruction set that this build has code for and
// this processor can run, plain C++ included.
#pragma once

#include <hwy/highway.h>

namespace lamina {

template <class Call>
void on_every_target(Call call) {
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(target);
    call(hwy::TargetName(target));
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace lamina
