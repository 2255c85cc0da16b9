#include <gsl/gsl_cdf.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_fit.h>
#include <gsl/gsl_linalg.h>
#include <gsl/gsl_matrix.h>
#include <gsl/gsl_multifit.h>
#include <gsl/gsl_multifit_nlinear.h>
#include <gsl/gsl_qrng.h>
#include <gsl/gsl_vector.h>

/* GSL's constants are pointers that could be assigned to, which Swift does not let threads share. */
static inline const gsl_multifit_nlinear_type *weft_gsl_trust_region(void) {
  return gsl_multifit_nlinear_trust;
}

static inline const gsl_qrng_type *weft_gsl_sobol(void) { return gsl_qrng_sobol; }
