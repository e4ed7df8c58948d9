#pragma once
#include <vector>

namespace algebra {

template <typename T>
class Matrix {
 public:
  Matrix(int rows, int columns) : rows_(rows), columns_(columns), data_(rows * columns) {}

  T &at(int row, int column) { return data_[row * columns_ + column]; }

 private:
  int rows_, columns_;
  std::vector<T> data_;
};

inline double determinant(const Matrix<double> &matrix);

enum class Order { RowMajor, ColumnMajor };

}  // namespace algebra
